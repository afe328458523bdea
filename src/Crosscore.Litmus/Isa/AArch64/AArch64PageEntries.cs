using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>
/// Entries of translation tables as tests write them: <c>(oa:PA(x), valid:1, af:1, db:1, dbm:0, el0:1)</c>, which are
/// also the values of fields that are left out.
/// </summary>
internal sealed class AArch64PageEntries : IPageEntrySyntax
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

    private const ulong Usual = TableEntry.Valid | TableEntry.Accessed | TableEntry.Unprivileged;

    public PageEntry Default(string? location) => new(location, Usual);

    public string Format(ulong entry, Func<ulong, string?> describe)
    {
        ulong address = TableEntry.Translate(entry, 0);
        IEnumerable<string> fields = Flags
            .Where(flag => ((entry ^ Usual) & flag.Mask) != 0)
            .Select(flag => $"{flag.Name}:{(((entry & flag.Mask) != 0) != flag.Inverted ? 1 : 0)}");
        string place = describe(address) is string name ? $"PA({name})" : $"0x{address:x}";
        return $"({string.Join(", ", fields.Prepend($"{Location}:{place}"))})";
    }

    public PageEntry Read(LitmusScanner scanner, Func<Token, string> physical)
    {
        PageEntry entry = Default(null);
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
                        + "of an entry, others are not modeled"
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
