// Package agent is an oracle that attests by a policy of plausibility limits.
//
// # What it does
//
// For each market that its policy names, the agent waits for readings it has
// not seen, judges each, and submits one attestation for as many as came in
// meanwhile. A reading is compared with the nearest earlier register of its
// meter: a live reading that the agent itself found plausible, else the meter's
// base, which is the last register that the committee closed. Readings it has
// no opinion on are left out of the ranges it attests to. Every rejection is
// logged with its reason.
//
// It keeps nothing on disk. After a restart it asks for the live readings with a
// linearizable read and leaves those alone on which its oracle has voted: judged
// against a newer base they might get another answer, and a different second
// vote is an equivocation. For the same reason one oracle must not be run by two
// agents at once.
//
// # The policy file
//
// One JSON object. Numbers of register units are decimal strings, durations are
// written like "90m" or "26h". The first rule whose market and meter pattern
// match a reading decides; in a pattern, * stands for any characters.
//
//	{
//	  "comment": "households and roofs of the north feeder",
//	  "default": "abstain",
//	  "reject_unknown_meters": true,
//	  "rules": [
//	    {
//	      "market": "energy",
//	      "meter": "pv-*",
//	      "max_delta_per_hour": "6000",
//	      "max_register_step": "40000",
//	      "night": {"from": "22:00", "to": "04:00", "utc_offset": "+10:00", "max_delta": "0"},
//	      "max_staleness": "26h"
//	    },
//	    {
//	      "market": "energy",
//	      "meter": "*",
//	      "max_delta_per_hour": "15000",
//	      "min_register": "0",
//	      "max_register": "999999999",
//	      "allow_decrease": false
//	    }
//	  ]
//	}
//
// The members of a rule, all optional but market and meter:
//
//	max_delta_per_hour  most register units an hour since the earlier register
//	max_register_step   most register units since the earlier register, however long ago
//	min_register        least and greatest register
//	max_register
//	allow_decrease      accept a register below the earlier one (default false)
//	night               between these hours of a fixed offset from UTC at most
//	                    max_delta may be added; applies to a reading if the whole
//	                    time since the earlier register lies in one night
//	max_staleness       most time between measuring and being taken in
//
// A limit that is exceeded rejects. A reading for which no rule matches gets the
// default: abstain (which is also what an absent default means), accept or
// reject. reject_unknown_meters rejects, whatever the rules say, a reading of a
// meter that the node's own list of meters lacks. An agent without a policy
// attests nothing.
package agent
