package attributes

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown is an attribute in JSON: as text where it is, else in base64.
type shown struct {
	Name       string  `json:"name,omitempty"`
	NameBytes  []byte  `json:"name_base64,omitempty"`
	Value      *string `json:"value,omitempty"`
	ValueBytes []byte  `json:"value_base64,omitempty"`
}

// MarshalJSON writes a list of attributes.
func (s Set) MarshalJSON() ([]byte, error) {
	list := []shown{}
	for name, value := range s.All() {
		var a shown
		if utf8.ValidString(name) {
			a.Name = name
		} else {
			a.NameBytes = []byte(name)
		}
		if utf8.ValidString(value) {
			a.Value = &value
		} else {
			a.ValueBytes = []byte(value)
		}
		list = append(list, a)
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON wrote, and refuses what it would not write.
func (s *Set) UnmarshalJSON(text []byte) error {
	var list []shown
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	values := map[string]string{}
	for _, a := range list {
		name, value := a.Name, string(a.ValueBytes)
		if a.NameBytes != nil {
			name = string(a.NameBytes)
		}
		if a.Value != nil {
			value = *a.Value
		}
		_, twice := values[name]
		if name == "" || twice || strings.ContainsRune(name, 0) || a.NameBytes != nil && a.Name != "" || a.Value != nil && a.ValueBytes != nil {
			return fmt.Errorf("%q is no extended attribute, or is there twice", name)
		}
		values[name] = value
	}
	*s = Of(values)
	return nil
}

// wordLimit is how much of a value is shown to people.
const wordLimit = 80

// Word is a value for people: as it is, if it can be printed, and not all of a
// long one.
func Word(value string) string {
	cut := ""
	if len(value) > wordLimit {
		cut = fmt.Sprintf("… (%d bytes)", len(value))
		value = value[:wordLimit]
		for cut != "" && len(value) > wordLimit-utf8.UTFMax && !utf8.ValidString(value) {
			value = value[:len(value)-1]
		}
	}
	if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "base64:" + base64.StdEncoding.EncodeToString([]byte(value)) + cut
	}
	return `"` + value + `"` + cut
}
