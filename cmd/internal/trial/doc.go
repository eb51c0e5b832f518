// Package trial founds a committee for a trial: keys, directories and genesis of
// all its nodes, with every key in one hand, as no real committee may have it.
// The measuring program and the fault tests run such committees as processes of
// the real binary.
//
// [Found] makes the files; nothing runs then. [Committee.Govern] signs as many
// admins as the threshold asks for, and [Committee.Enrol] brings in a provider and
// a payer with money.
package trial
