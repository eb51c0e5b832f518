// Package systemd judges the units beside it: that systemd understands them, and that
// what they run may do little. Where systemd-analyze is missing its tests are skipped,
// and say so. That the program understands the command lines is the matter of
// TestDocumentedUnits in cmd/tallyvault.
package systemd
