package intervals

import (
	"errors"
	"fmt"
	"strings"
)

// MaxMeterID is the length that a meter id may have.
const MaxMeterID = 64

var errMeterName = errors.New("unusable meter name")

// MeterID turns the name that a file has for a meter into an id: lower-case
// letters, digits, - _ and . stay, upper-case letters become lower-case, any
// other character becomes -, and an id that would not start with a letter gets
// m- in front: "10006414" becomes "m-10006414".
func MeterID(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", fmt.Errorf("%w: it is empty", errMeterName)
	}
	id := plain(name)
	if id[0] < 'a' || id[0] > 'z' {
		id = "m-" + id
	}
	if len(id) > MaxMeterID {
		return "", fmt.Errorf("%w: %.80q is longer than the %d characters of a meter id", errMeterName, name, MaxMeterID)
	}
	return id, nil
}
