// Package settings reads the one configuration file of the command line.
//
// The format is a small, strict part of YAML, so that every editor knows it:
// one "name: value" a line, where name is the name of a flag, and lists with one
// "- item" a line. Comments begin with # at the start of a line or after a
// space.
//
//	# node-a
//	dir: /var/lib/tallyvault
//	api-listen: 0.0.0.0:8443
//	public-reads: true
//	api:
//	  - https://a.example:8443
//	  - https://b.example:8443
//
// A value may stand in double quotes (with \" and \\ inside) or in single ones
// (with ” inside). Everything else that YAML has (nesting, anchors, types,
// several documents, flow lists, block text) is refused with its line: a
// configuration that means something else than its reader thinks is worse than
// none.
package settings
