package agent

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tallyvault/tallyvault/oracle"
)

// Limits of a policy.
const (
	maxRules       = 10_000
	maxRun         = 10_000 // readings of a run
	leastSteps     = 3
	maxSteps       = 4_096
	shortestRun    = 2
	shortestRepeat = 3
	longestWait    = 24 * time.Hour
	mostBytes      = 256 << 20
)

// Validate says what is wrong with a policy that did not come from a file.
func (p Policy) Validate() error {
	if flaws := p.flaws(); len(flaws) > 0 {
		return joined(flaws)
	}
	return nil
}

// inspection collects flaws.
type inspection struct{ found []*Flaw }

func (in *inspection) add(pointer jsontext.Pointer, format string, args ...any) {
	in.found = append(in.found, &Flaw{pointer: pointer, Member: memberOf(pointer), Reason: fmt.Sprintf(format, args...)})
}

// must adds a flaw unless a condition holds.
func (in *inspection) must(ok bool, pointer jsontext.Pointer, format string, args ...any) {
	if !ok {
		in.add(pointer, format, args...)
	}
}

func (p Policy) flaws() []*Flaw {
	var in inspection
	in.must(slices.Contains([]Vote{Abstain, Accept, Reject}, p.Default), "/default", "%q is no vote: want abstain, accept or reject", p.Default)
	in.must(len(p.Rules) > 0, "/rules", "there are no rules: such a policy attests nothing")
	in.must(len(p.Rules) <= maxRules, "/rules", "%d rules are more than %d", len(p.Rules), maxRules)
	in.must(len(p.Markets()) <= maxMarkets, "/rules", "%d markets are more than %d", len(p.Markets()), maxMarkets)
	for name, source := range p.References {
		source.inspect(&in, jsontext.Pointer("/references").AppendToken(name))
	}
	for i, r := range p.Rules[:min(len(p.Rules), maxRules)] {
		at := jsontext.Pointer("/rules").AppendToken(strconv.Itoa(i))
		r.inspect(&in, at)
		if ref := r.Reference; ref != nil {
			_, known := p.References[ref.Series]
			in.must(known, at+"/reference/series", "the policy has no reference %q", ref.Series)
			ref.inspect(&in, at+"/reference")
		}
	}
	slices.SortStableFunc(in.found, func(a, b *Flaw) int { return strings.Compare(a.Member, b.Member) })
	return in.found
}

func (r Rule) inspect(in *inspection, at jsontext.Pointer) {
	in.must(oracle.ValidID(r.Market), at+"/market", "%q is not the id of a market", r.Market)
	_, err := path.Match(r.Meter, "")
	in.must(err == nil && r.Meter != "" && !strings.Contains(r.Meter, "/"), at+"/meter", "the pattern %q is malformed", r.Meter)
	if r.MinRegister != nil && r.MaxRegister != nil {
		in.must(*r.MinRegister <= *r.MaxRegister, at+"/min_register", "%d is above max_register %d", *r.MinRegister, *r.MaxRegister)
	}
	in.must(r.MaxStaleness >= 0, at+"/max_staleness", "a duration must not be negative")
	if s := r.Site; s != nil {
		in.must(s.Latitude >= -90 && s.Latitude <= 90, at+"/site/latitude", "%v degrees: want -90 to 90", s.Latitude)
		in.must(s.Longitude >= -180 && s.Longitude <= 180, at+"/site/longitude", "%v degrees: want -180 to 180", s.Longitude)
	}
	if r.Night != nil {
		r.Night.hours().inspect(in, at+"/night")
	}
	if d := r.Dark; d != nil {
		in.must(r.Site != nil, at+"/dark", "the sun's elevation needs a site")
		in.must(d.SunBelow >= -90 && d.SunBelow <= 90, at+"/dark/sun_below", "%v degrees: want -90 to 90", d.SunBelow)
	}
	r.inspectRuns(in, at)
}

func (h Hours) inspect(in *inspection, at jsontext.Pointer) {
	in.must(h.From != h.To, at+"/to", "it begins and ends at the same time")
}

func (r Rule) inspectRuns(in *inspection, at jsontext.Pointer) {
	if s := r.StaleRun; s != nil {
		in.must(s.Readings >= shortestRun && s.Readings <= maxRun, at+"/stale_run/readings", "%d: want %d to %d", s.Readings, shortestRun, maxRun)
		in.must(s.Between == nil || s.SunAbove == nil, at+"/stale_run/sun_above", "between says already when the register must move: want one of them")
		if s.Between != nil {
			s.Between.inspect(in, at+"/stale_run/between")
		}
		if s.SunAbove != nil {
			in.must(r.Site != nil, at+"/stale_run/sun_above", "the sun's elevation needs a site")
			in.must(*s.SunAbove >= -90 && *s.SunAbove <= 90, at+"/stale_run/sun_above", "%v degrees: want -90 to 90", *s.SunAbove)
		}
		in.then(s.Vote, at+"/stale_run/vote")
	}
	if d := r.RepeatedDeltas; d != nil {
		in.must(d.Readings >= shortestRepeat && d.Readings <= maxRun, at+"/repeated_deltas/readings", "%d: want %d to %d", d.Readings, shortestRepeat, maxRun)
		in.must(!d.Hold || d.Vote.or(Reject) == Reject, at+"/repeated_deltas/hold", "only what is rejected can be held")
		in.then(d.Vote, at+"/repeated_deltas/vote")
	}
	if o := r.Outlier; o != nil {
		in.must(o.Steps >= leastSteps && o.Steps <= maxSteps, at+"/outlier/steps", "%d: want %d to %d", o.Steps, leastSteps, maxSteps)
		in.must(o.AtLeast == 0 || o.AtLeast >= leastSteps && o.AtLeast <= o.Steps, at+"/outlier/at_least", "%d: want %d to steps, %d", o.AtLeast, leastSteps, o.Steps)
		in.must(o.Deviations > 0, at+"/outlier/deviations", "%v: want more than 0", o.Deviations)
		in.then(o.Vote, at+"/outlier/vote")
	}
}

func (in *inspection) then(v Vote, at jsontext.Pointer) {
	in.must(v == "" || v == Reject || v == Abstain, at, "%q: want reject or abstain", v)
}

func (s Source) inspect(in *inspection, at jsontext.Pointer) {
	in.must((s.File == "") != (s.URL == ""), at, "want file or url, one of them")
	if s.URL != "" {
		in.must(safeURL(s.URL), at+"/url", "%q: want an https URL, or an http URL of this machine, without a password", s.URL)
	}
	in.must(slices.Contains([]string{"", formatCSV, formatJSON}, s.Format), at+"/format", "%q: want csv or json", s.Format)
	for name, d := range map[string]Duration{"timeout": s.Timeout, "refresh": s.Refresh, "max_age": s.MaxAge} {
		in.must(d >= 0, at.AppendToken(name), "a duration must not be negative")
	}
	in.must(s.Refresh == 0 || time.Duration(s.Refresh) >= time.Second, at+"/refresh", "want 1s at least")
	in.must(s.MaxBytes >= 0 && s.MaxBytes <= mostBytes, at+"/max_bytes", "%d: want 1 to %d", s.MaxBytes, mostBytes)
}

func (r Reference) inspect(in *inspection, at jsontext.Pointer) {
	in.must(r.Over >= 0, at+"/over", "a duration must not be negative")
	in.must(r.MaxGap >= 0, at+"/max_gap", "a duration must not be negative")
	in.must(r.Wait >= 0 && time.Duration(r.Wait) <= longestWait, at+"/wait", "want 0s to %s", longestWait)
	in.must(slices.Contains([]Vote{"", Abstain, Accept, Reject}, r.Missing), at+"/missing", "%q is no vote: want abstain, accept or reject", r.Missing)
}

// safeURL says whether what a URL answers can be believed to come from there.
func safeURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	address := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || address != nil && address.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && local
}
