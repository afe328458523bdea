using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Syntax.AArch64;

/// <summary>
/// An entry of a translation table as tests write it: <c>(oa:PA(x), valid:1, af:1, db:1, dbm:0, el0:1)</c>, which are
/// also the values of what is left out.
/// </summary>
/// <param name="OutputAddress">The location at which the page lies; <see langword="null"/> where none was
/// named.</param>
/// <param name="Fields">The other fields, as <see cref="TableEntry"/> has them.</param>
public sealed record ArmTableEntry(string? OutputAddress, ulong Fields)
{
    private const string Location = "oa";

    // The fields that are one bit or more, set by 1; only "db" is the other way round: not dirty is read-only.
    private static readonly (string Name, ulong Mask, bool Inverted)[] Flags =
    [
        ("valid", TableEntry.Valid, false),
        ("af", TableEntry.Accessed, false),
        ("db", TableEntry.ReadOnly, true),
        ("dbm", TableEntry.DirtyModifier, false),
        ("el0", TableEntry.Unprivileged, false),
    ];

    /// <summary>An entry of a location about which nothing is said.</summary>
    /// <param name="location">The location; <see langword="null"/> for none.</param>
    public static ArmTableEntry Default(string? location) =>
        new(location, TableEntry.Valid | TableEntry.Accessed | TableEntry.Unprivileged);

    /// <summary>The name of the location that is the entry of another location's page.</summary>
    /// <param name="location">The other location.</param>
    public static string NameFor(string location) => $"PTE({location})";

    /// <summary>A number as tests write it.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="describe">Names the location at an address.</param>
    public static string Format(ulong entry, Func<ulong, string?> describe)
    {
        ulong address = TableEntry.Translate(entry, 0);
        ulong usual = Default(null).Fields;
        IEnumerable<string> fields = Flags
            .Where(flag => ((entry ^ usual) & flag.Mask) != 0)
            .Select(flag => $"{flag.Name}:{(((entry & flag.Mask) != 0) != flag.Inverted ? 1 : 0)}");
        string place = describe(address) is string name ? $"PA({name})" : $"0x{address:x}";
        return $"({string.Join(", ", fields.Prepend($"{Location}:{place}"))})";
    }

    /// <summary>Reads what follows the opening parenthesis.</summary>
    /// <param name="scanner">The text.</param>
    /// <param name="physical">Reads the name of a physical location from its first token.</param>
    internal static ArmTableEntry Parse(LitmusScanner scanner, Func<Token, string> physical)
    {
        ArmTableEntry entry = Default(null);
        do
        {
            Token field = scanner.Next();
            scanner.Expect(":", "after the name of a field");
            Token value = scanner.Next();
            if (field.IsName(Location) && value.Kind == TokenKind.Name)
            {
                entry = entry with { OutputAddress = physical(value) };
                continue;
            }

            int index = Array.FindIndex(Flags, flag => field.IsName(flag.Name));
            if (index < 0)
            {
                throw scanner.Unexpected(
                    field,
                    $"one of the fields {Location}, {string.Join(", ", Flags.Select(flag => flag.Name))} "
                        + "of an entry, others are not modelled"
                );
            }

            if (value.Kind != TokenKind.Number || value.Value > 1)
            {
                throw scanner.Unexpected(value, "0 or 1");
            }

            bool set = value.Value != 0 != Flags[index].Inverted;
            entry = entry with { Fields = set ? entry.Fields | Flags[index].Mask : entry.Fields & ~Flags[index].Mask };
        } while (scanner.Accept(","));
        scanner.Expect(")", "after the last field of an entry");
        return entry;
    }
}
