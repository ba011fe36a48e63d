package command

import (
	"strings"

	"spacefs/internal/attributes"
	"spacefs/spacedb"
)

// attributeChanges says what an action did to extended attributes, "" for
// nothing: a value that is not there is "-".
func attributeChanges(a spacedb.ActionRecord) string {
	before, after := attributesOf(a.Before), attributesOf(a.After)
	var words []string
	for _, c := range attributes.Changes(before, after) {
		words = append(words, shown(c.Name)+": "+attributeWord(c.Old)+" → "+attributeWord(c.New))
	}
	return strings.Join(words, ", ")
}

func attributesOf(s spacedb.State) attributes.Set {
	if s.Attributes == nil {
		return ""
	}
	return *s.Attributes
}

func attributeWord(value *string) string {
	if value == nil {
		return "-"
	}
	return attributes.Word(*value)
}

// attributeList are the attributes of what a side holds, in a line.
func attributeList(s spacedb.State) string {
	var words []string
	for name, value := range attributesOf(s).All() {
		words = append(words, shown(name)+"="+attributes.Word(value))
	}
	return strings.Join(words, ", ")
}
