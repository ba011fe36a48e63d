package command

import (
	"encoding/csv"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/spacedb"
)

func sqlCommand() *cli.Command {
	return &cli.Command{
		Name:      "sql",
		Usage:     "ask a space in SQL; it reads, and cannot write (docs/views.md has the views)",
		UsageText: "sql [SPACE] QUERY [--json|--csv]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "csv", Usage: "print CSV with a heading"},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON list of objects"},
		},
		Action: func(c *cli.Context) error {
			if c.Bool("csv") && c.Bool("json") {
				return usage("sql: --csv and --json exclude each other")
			}
			return withSpace(c, operands{1, 1, false}, func(s *daemon.Space, _ string, rest []string) error {
				t, err := s.Query(c.Context, rest[0])
				if err != nil {
					return err
				}
				switch {
				case c.Bool("json"):
					return printJSON(c, objects(t))
				case c.Bool("csv"):
					w := csv.NewWriter(c.App.Writer)
					if err := w.Write(t.Columns); err != nil {
						return err
					}
					for _, row := range t.Rows {
						if err := w.Write(cells(row, "")); err != nil {
							return err
						}
					}
					w.Flush()
					return w.Error()
				}
				w := tabwriter.NewWriter(c.App.Writer, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, strings.Join(t.Columns, "\t"))
				for _, row := range t.Rows {
					for i, cell := range cells(row, "NULL") {
						row[i] = oneCell.Replace(cell)
					}
					fmt.Fprintln(w, strings.Join(cells(row, ""), "\t"))
				}
				return w.Flush()
			})
		},
	}
}

// oneCell keeps a row of a table on its line.
var oneCell = strings.NewReplacer("\n", `\n`, "\t", `\t`, "\r", `\r`)

func objects(t spacedb.Table) []map[string]any {
	list := make([]map[string]any, len(t.Rows))
	for i, row := range t.Rows {
		list[i] = map[string]any{}
		for j, v := range row {
			list[i][t.Columns[j]] = v
		}
	}
	return list
}

// cells are a row as text.
func cells(row []any, null string) []string {
	list := make([]string, len(row))
	for i, v := range row {
		switch v := v.(type) {
		case nil:
			list[i] = null
		case float64: // JSON has no other numbers
			list[i] = strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%f", v), "0"), ".")
		default:
			list[i] = fmt.Sprint(v)
		}
	}
	return list
}
