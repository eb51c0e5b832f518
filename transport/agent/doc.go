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
// logged with its [Reason], what was found, the limit and the rule's number.
//
// That there are new readings it hears from the events of the journal (/v1/events),
// which the client takes up again at another node where a stream ends. The readings
// themselves it then asks for, as many as there are at once. Where no node tells
// events it asks again and again; and every half minute in any case.
//
// # Saying nothing twice
//
// A different second vote on a reading is an equivocation, and evidence of it is
// kept. So what was said once is never judged again: the meter's base may have
// moved since, and the answer be another. After a restart the agent asks for the
// live readings with linearizable reads until it has caught up, and leaves those
// alone on which its oracle has voted. An attestation whose outcome was unknown
// when the agent was killed may come through even later. Against that, and to
// remember what it needs for runs and outliers, an agent keeps a log of its
// [Decisions]: a verdict is on the disk before it is sent, and is what is said of
// the reading ever after. Without a log, an agent that is killed in that moment
// may contradict itself. The log belongs to one oracle and is locked, because one
// oracle must not be run by two agents at once.
//
// While it runs, the agent sends an attestation until its outcome is known, the
// same bytes again to whichever node answers; a change of leaders delays it only.
//
// # The policy file
//
// One JSON object, whose members [Schema] describes. Numbers of register units are
// decimal strings, durations are written like "90m" or "26h". What it does not
// know, null, and members written twice are refused with line and column. The
// first rule whose market and meter pattern match a reading decides; in a pattern,
// * stands for any characters.
//
//	{
//	  "comment": "households and roofs of the north feeder",
//	  "default": "abstain",
//	  "reject_unknown_meters": true,
//	  "references": {
//	    "grid": {"url": "https://readings.example/feeder-7.csv", "refresh": "1m"}
//	  },
//	  "rules": [
//	    {
//	      "market": "energy",
//	      "meter": "pv-*",
//	      "max_delta_per_hour": "6000",
//	      "max_register_step": "40000",
//	      "max_staleness": "26h",
//	      "site": {"latitude": 48.14, "longitude": 11.58},
//	      "dark": {"sun_below": -3, "max_delta": "0"},
//	      "stale_run": {"readings": 8, "sun_above": 15},
//	      "repeated_deltas": {"readings": 12, "tolerance": "1", "hold": true}
//	    },
//	    {
//	      "market": "energy",
//	      "meter": "*",
//	      "max_delta_per_hour": "15000",
//	      "night": {"from": "22:00", "to": "04:00", "utc_offset": "+10:00", "max_delta": "9000"},
//	      "outlier": {"steps": 96, "deviations": 12, "margin_per_hour": "4000"},
//	      "reference": {"series": "grid", "tolerance": "20", "tolerance_ppm": "20000", "wait": "10m"}
//	    }
//	  ]
//	}
//
// Limits are asked in the order of [Reasons], and the first that is exceeded
// decides. It rejects, or abstains where its vote says so. A reading for which no
// rule matches gets the default: abstain (which is also what an absent default
// means), accept or reject. reject_unknown_meters rejects, whatever the rules say,
// a reading of a meter that the node's own list of meters lacks. An agent without
// a policy attests nothing.
//
// # Runs, and why rejecting is not the end
//
// A register is cumulative: what was rejected is still in the next reading, which
// covers its time. The limits on steps and rates compare with the last plausible
// register, so that what they keep out must fit in later, at the rate that they
// allow. A run of repeated deltas looks plausible once it is over; with hold its
// meter's readings are rejected until the committee's base is behind the run, which
// takes other oracles or a rebase by the admins.
//
// Runs, and the rates that an outlier is one of, go by all readings of a meter in
// order of measuring, accepted or not: a third repetition is one whatever was said
// of the second, and a meter whose habits change for good is not an outlier for ever.
//
// # References
//
// A reference is a series of registers that somebody else measured: a file, or what
// a server answers, read again every refresh. Compared is what both added since the
// earlier register, so the two need not begin at the same number; with over, what both
// added in about so much time, so that a difference shows that is small each time and
// lasts. Between two registers of the series that are no further apart than max_gap it
// is taken to rise evenly. If the series cannot be read for longer than max_age, or says nothing
// about the time, the reading waits for it up to wait and then gets the vote that
// missing says. An answer that is too long, late, malformed or contradicts itself
// changes nothing: what was read before it stays for max_age.
package agent
