namespace Crosscore.Code;

/// <summary>What is known of an installed segment to those who want to name its addresses.</summary>
internal sealed class CodeSegment(nint address, int length, string? name, CodeFunction[] functions)
{
    private Dictionary<string, CodeFunction>? _byName;

    public nint Address => address;

    public int Length => length;

    public string? Name => name;

    public CodeFunction[] Functions => functions;

    /// <summary>The name that a function is published under; one without a name is called after its segment and its offset.</summary>
    public string NameOf(CodeFunction function) => function.Name ?? $"{name ?? "crosscore-code"}+0x{function.Offset:x}";

    public CodeFunction? Find(string wanted)
    {
        _byName ??= functions.Where(function => function.Name is not null).ToDictionary(function => function.Name!, StringComparer.Ordinal);
        return _byName.TryGetValue(wanted, out CodeFunction found) ? found : null;
    }

    /// <summary>The last function that begins at or before an address and covers it.</summary>
    public CodeFunction? FunctionAt(nint at)
    {
        CodeFunction? best = null;
        foreach (CodeFunction function in functions)
        {
            nint offset = at - address - function.Offset;
            if (offset >= 0 && offset < function.Length && (best is null || function.Offset >= best.Value.Offset))
            {
                best = function;
            }
        }

        return best;
    }
}
