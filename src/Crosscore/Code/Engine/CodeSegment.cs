using System.Text;

namespace Crosscore.Code;

/// <summary>What is known of an installed segment to those who want to name its addresses.</summary>
internal sealed class CodeSegment(nint address, int length, string? name, CodeFunction[] functions)
{
    private const int SmallestBudget = 64 << 10;

    /// <summary>
    /// What a name costs beside itself: two numbers of an address and a length in a line, or a symbol.
    /// </summary>
    private const int EntryBytes = 24;

    private Dictionary<string, CodeFunction>? _byName;

    public nint Address => address;

    public int Length => length;

    public string? Name => name;

    public CodeFunction[] Functions => functions;

    /// <summary>
    /// What profilers and debuggers are told: each function with its name, one without after its segment and its
    /// offset. A table of three bytes a function could make a hundred times as many bytes of names, so names may take
    /// twice the segment's own bytes and no more (64 KiB at least); the functions after that are one entry with the
    /// segment's name. Segments whose functions have names of their own and are aligned to 64 bytes never come to that.
    /// </summary>
    public IEnumerable<CodeFunction> Published()
    {
        string owner = name ?? "crosscore-code";
        int ownerBytes = Encoding.UTF8.GetByteCount(owner);
        long left = 2L * CodeFile.WholePages(length);
        foreach (CodeFunction function in functions)
        {
            left += 2 * (3 + (function.Name is null ? 0 : Encoding.UTF8.GetByteCount(function.Name)));
        }

        left = Math.Max(left, SmallestBudget);
        for (int index = 0; index < functions.Length; index++)
        {
            CodeFunction function = functions[index];
            left -= EntryBytes + (function.Name is null ? ownerBytes + 8 : Encoding.UTF8.GetByteCount(function.Name));
            if (left < 0)
            {
                yield return Rest(owner, index);
                yield break;
            }

            yield return function.Name is null ? function with { Name = $"{owner}+0x{function.Offset:x}" } : function;
        }
    }

    private CodeFunction Rest(string owner, int from)
    {
        int start = functions[from].Offset;
        int end = start;
        foreach (CodeFunction function in functions.AsSpan(from))
        {
            start = Math.Min(start, function.Offset);
            end = Math.Max(end, function.Offset + function.Length);
        }

        return new(owner, start, end - start);
    }

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
