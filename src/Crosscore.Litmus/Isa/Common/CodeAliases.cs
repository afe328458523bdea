using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.Common;

/// <summary>Finds locations that are other names of code, by the entries of translation tables.</summary>
internal static class CodeAliases
{
    /// <summary>
    /// Makes locations other names of a label's code if the entry of the label's page leads to their memory. Call it
    /// when the columns are known, before <see cref="InitialState.ResolveLabels"/>.
    /// </summary>
    /// <param name="scanner">The text, for errors.</param>
    /// <param name="state">The initial state.</param>
    /// <param name="labelOf">Gets the label of a name with its column; <see langword="null"/> where there is
    /// none.</param>
    public static void Join(LitmusScanner scanner, InitialState state, Func<string, string?> labelOf)
    {
        foreach (
            Location table in state
                .Locations.InOrder.Where(location => location.Translates is string page && labelOf(page) is not null)
                .ToList()
        )
        {
            string label = labelOf(table.Translates!)!;
            string memory = table.Values[0].Entry!.OutputAddress!;
            string? MemoryOf(Location location) =>
                state.Locations.Known(PageEntry.NameFor(location.Name)) is Location own
                    ? own.Values[0].Entry!.OutputAddress
                    : location.Name;
            List<Location> joined =
            [
                .. state.Locations.InOrder.Where(location =>
                    location.Translates is null && labelOf(location.Name) is null && MemoryOf(location) == memory
                ),
            ];
            if (joined.Count == 0 || joined.Find(location => location.IsDeclared) is not null)
            {
                throw scanner.Error(
                    table.Position,
                    $"found the page of the label {table.Translates}, expected that "
                        + "it leads to that of a location without an initial value"
                );
            }

            InitialValue Join(InitialValue value) =>
                joined.Exists(location => location.Name == value.AddressOf)
                    ? state.Labels.ValueOf(label, table.Position)
                    : value;
            state.Registers.Convert(Join);
            state.Locations.Remove([
                .. joined
                    .Select(location => location.Name)
                    .Append(table.Translates!)
                    .SelectMany(name => (string[])[name, PageEntry.NameFor(name)]),
            ]);
        }
    }
}
