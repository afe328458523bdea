using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.Common;

/// <summary>The labels that a test names as values or asks about; each of them must exist.</summary>
internal sealed class LabelTable(LitmusScanner scanner)
{
    private readonly List<(string Label, SourcePosition Position)> _labels = [];
    private Func<string, ulong?> _addressOf = _ => null;

    /// <summary>Gives labels their addresses, once the columns are known.</summary>
    public void SetAddresses(Func<string, ulong?> addressOf) => _addressOf = addressOf;

    /// <summary>Notes that a label is named.</summary>
    public void Note(string label, SourcePosition position) => _labels.Add((label, position));

    /// <summary>Gets the address of a label as a value.</summary>
    public InitialValue ValueOf(string label, SourcePosition position)
    {
        // herd also writes 1:L0 in quotes.
        label = char.IsAsciiDigit(label[0]) ? "P" + label : label;
        Note(label, position);
        return new InitialValue(0) { Label = label };
    }

    /// <summary>Gets a value with the address of its label.</summary>
    public InitialValue Resolve(InitialValue value) =>
        value.Label is string label ? value with { Number = _addressOf(label) ?? 0 } : value;

    /// <summary>Checks that all labels that were named exist; call it when everything has been read.</summary>
    public void Check()
    {
        foreach ((string label, SourcePosition position) in _labels.Where(used => _addressOf(used.Label) is null))
        {
            throw scanner.Error(position, $"found {label}, but that column has no such label");
        }
    }
}
