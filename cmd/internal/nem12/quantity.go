package nem12

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// Places in a 250 record: RecordIndicator, NMI, NMIConfiguration, RegisterID,
// NMISuffix, MDMDataStreamIdentifier, MeterSerialNumber, DirectionIndicator,
// PreviousRegisterRead, PreviousRegisterReadDateTime, PreviousQualityMethod,
// PreviousReasonCode, PreviousReasonDescription, CurrentRegisterRead,
// CurrentRegisterReadDateTime, CurrentQualityMethod, CurrentReasonCode,
// CurrentReasonDescription, Quantity, UOM, NextScheduledReadDate, UpdateDateTime,
// MSATSLoadDateTime.
const (
	atNMI, atSuffix, atDirection = 1, 4, 7
	atPreviousRead, atPrevious   = 8, 9
	atCurrentRead, atCurrent     = 13, 14
	atMethod, atReason           = 15, 16
	atQuantity, atUnit           = 18, 19
)

// quantity takes a 250 record.
func (f *file) quantity(fields []string) error {
	if len(fields) <= atUnit {
		return f.Skip(f.line, "", fmt.Errorf("a 250 record with %d fields: want 20 at least", len(fields)))
	}
	name := fields[atNMI] + "/" + fields[atSuffix]
	flow := map[string]intervals.Direction{"E": intervals.Import, "I": intervals.Export}[strings.ToUpper(fields[atDirection])]
	previous, err := readTime(fields[atPrevious])
	current, err2 := readTime(fields[atCurrent])
	_, wrongName := intervals.MeterID(name)
	shift, ignored := energy(fields[atUnit])
	switch {
	case fields[atNMI] == "" || fields[atSuffix] == "":
		err = errors.New("a 250 record without NMI or suffix")
	case wrongName != nil:
		err = wrongName
	case flow == "":
		err = fmt.Errorf("the direction %.10q: want E or I", fields[atDirection])
	case err != nil:
	case err2 != nil:
		err = err2
	case !previous.Before(current):
		err = fmt.Errorf("the current read of %s is not after the previous one of %s", fields[atCurrent], fields[atPrevious])
	case fields[atMethod] == "V" || !method.MatchString(fields[atMethod]):
		err = fmt.Errorf("the quality method %.10q", fields[atMethod])
	}
	if err != nil {
		return f.Skip(f.line, "", err)
	}
	if ignored != "" {
		return f.Ignore(name, ignored, 1)
	}
	quality := qualityOf(fields[atMethod], fields[atReason])
	if quality == "" {
		f.Empty(1)
		return nil
	}
	meter, err := f.Channel(name, flow)
	if err != nil {
		return err
	}
	goesOn := fields[atPreviousRead] != "" && f.read[name] == fields[atPreviousRead]
	f.read[name] = fields[atCurrentRead]
	return f.Add(meter, intervals.Value{
		Line: f.line, Start: previous.UnixMilli(), Length: current.Sub(previous).Milliseconds(), GoesOn: goesOn,
		Text: fields[atQuantity], Shift: shift, Quality: quality,
	})
}

// readTime reads the time of a read, or its date alone.
func readTime(text string) (time.Time, error) {
	for _, layout := range []string{"20060102150405", "200601021504", "20060102"} {
		if at, err := time.ParseInLocation(layout, text, market); err == nil && intervals.Plausible(at) {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("the time %.20q: want one such as 20040201120025", text)
}
