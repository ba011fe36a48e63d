package spacedb

// Origin is who caused a change. The values are stored.
type Origin uint8

const (
	OriginMount   Origin = 1
	OriginSync    Origin = 2
	OriginImport  Origin = 3
	OriginRestore Origin = 4
	OriginUndo    Origin = 5
	OriginCLI     Origin = 6
)

var originNames = [...]string{"", "mount", "sync", "import", "restore", "undo", "cli"}

func (o Origin) String() string {
	if int(o) < len(originNames) {
		return originNames[o]
	}
	return "unknown"
}

// Actor is on whose behalf a Tree changes things.
type Actor struct {
	Origin Origin
	Run    int64 // 0 outside a run
	// Retain counts every node an operation returns as referenced by the
	// kernel until Forget, as FUSE does for LOOKUP and its kin. A referenced
	// node outlives its last link.
	Retain bool
}

// MarshalText writes the origin's word.
func (o Origin) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (o *Origin) UnmarshalText(text []byte) error {
	for i, name := range originNames {
		if name == string(text) {
			*o = Origin(i)
		}
	}
	return nil
}
