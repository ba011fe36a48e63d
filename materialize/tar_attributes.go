package materialize

import (
	"fmt"
	"strings"

	"spacefs/internal/attributes"
)

// In a tar stream, an extended attribute is a PAX record of its entry, as GNU tar
// and bsdtar write and read it. A record's name cannot have "=" in it; GNU tar
// writes "%3D", and "%25" for "%".
const paxAttribute = "SCHILY.xattr."

var (
	toPAX   = strings.NewReplacer("%", "%25", "=", "%3D")
	fromPAX = strings.NewReplacer("%25", "%", "%3D", "=")
)

// paxRecords are a set as an entry of a stream has it.
func paxRecords(set attributes.Set) map[string]string {
	records := map[string]string{}
	for name, value := range set.All() {
		records[paxAttribute+toPAX.Replace(name)] = value
	}
	return records
}

// attributesOfPAX are those of an entry that are synced.
func attributesOfPAX(records map[string]string) (attributes.Set, error) {
	values := map[string]string{}
	for key, value := range records {
		name, is := strings.CutPrefix(key, paxAttribute)
		if name = fromPAX.Replace(name); !is || !isSynced(name) {
			continue
		}
		if len(name) > maxAttributeName {
			return "", fmt.Errorf("refused: an attribute's name has %d bytes", len(name))
		}
		values[name] = value
	}
	return attributes.Of(values), nil
}

// maxAttributeName is the longest that there is on Linux.
const maxAttributeName = 255
