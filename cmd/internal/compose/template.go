package compose

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
)

// Template is a draft of a command with its header filled in and everything
// else empty. optional names the members that may be added.
func Template(name string, place Place, lane string, nonce uint64, signer *envelope.KeyID) (text []byte, optional []string, err error) {
	payload, _, ok := fsm.NewPayload(name)
	if !ok {
		return nil, nil, fmt.Errorf("%q is not a command; there are %s", name, strings.Join(fsm.CommandNames(), ", "))
	}
	v := reflect.ValueOf(payload).Elem()
	head := v.Field(0)
	switch head.Interface().(type) {
	case fsm.Header:
		head.Set(reflect.ValueOf(place.Single(lane, nonce, signer)))
	case fsm.ThresholdHeader:
		h, err := place.Threshold()
		if err != nil {
			return nil, nil, err
		}
		head.Set(reflect.ValueOf(h))
	default:
		panic(fmt.Sprintf("compose: %T does not begin with a header", payload))
	}
	optional = open(v)
	return Draft(name, payload), optional, nil
}

// open puts one empty element into every list of objects that must be there, so
// that people see its members, and names the members that need not be there.
func open(v reflect.Value) (optional []string) {
	for i := range v.NumField() {
		field, tag := v.Type().Field(i), v.Type().Field(i).Tag.Get("json")
		name, option, _ := strings.Cut(tag, ",")
		switch {
		case field.Anonymous:
			optional = append(optional, open(v.Field(i))...)
		case option == "optional" || field.Type.Kind() == reflect.Pointer:
			optional = append(optional, name)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			v.Field(i).Set(reflect.MakeSlice(field.Type, 1, 1))
		}
	}
	return optional
}
