using System.Diagnostics;
using System.Text;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// An installed segment as it is described to profilers, debuggers and logs, which name its addresses.
/// </summary>
internal sealed class CodeSegment(nint address, int length, string? name, CodeFunction[] functions)
{
    private const int MinBudget = 64 << 10;

    /// <summary>
    /// What a name costs beside itself: two numbers of an address and a length in a line, or a symbol.
    /// </summary>
    private const int EntryBytes = 24;

    private readonly Lock _leaving = new();
    private Dictionary<string, CodeFunction>? _byName;
    private long _mappedAt = Stopwatch.GetTimestamp();
    private bool _isGone;

    public nint Address => address;

    public int Length => length;

    public string? Name => name;

    public CodeFunction[] Functions => functions;

    /// <summary>
    /// Gets when it was mapped: nanoseconds of CLOCK_MONOTONIC, which is what Stopwatch counts on Linux.
    /// </summary>
    public long MappedAt => Volatile.Read(ref _mappedAt);

    /// <summary>Notes that other pages lie at its addresses from now on.</summary>
    public void Remapped() => Volatile.Write(ref _mappedAt, Stopwatch.GetTimestamp());

    /// <summary>Notes that it is about to be unmapped. Waits only for a copy that is being made.</summary>
    public void Leave()
    {
        lock (_leaving)
        {
            _isGone = true;
        }
    }

    /// <summary>Copies bytes of the code.</summary>
    /// <param name="offset">Of the first, inside the segment.</param>
    /// <param name="bytes">As many as are copied; they lie inside the segment, too.</param>
    /// <returns>False where it is not mapped any more.</returns>
    public unsafe bool TryCopy(int offset, Span<byte> bytes)
    {
        lock (_leaving)
        {
            if (!_isGone)
            {
                // SAFETY: readable as long as it is mapped; the thread that unmaps it calls Leave first, which waits.
                new ReadOnlySpan<byte>((void*)address, length)
                    .Slice(offset, bytes.Length)
                    .CopyTo(bytes);
            }

            return !_isGone;
        }
    }

    /// <summary>
    /// Returns what profilers and debuggers are told: each function by its name, or by its segment and offset if it has
    /// none. A table of three bytes a function could make a hundred times as many bytes of names, so names may take
    /// twice the segment's own bytes and no more (64 KiB at least); the functions after that are one entry with the
    /// segment's name. Segments whose functions are named and aligned to 64 bytes never reach that limit.
    /// </summary>
    public IEnumerable<CodeFunction> Published() =>
        Within((2L * Pages.RoundUp(length)) + functions.Sum(function => 2L * (3 + NameBytes(function))), EntryBytes);

    /// <summary>
    /// Returns the same for a file whose entries are larger: besides names that are in the table, entries may take
    /// twice the segment's own bytes.
    /// </summary>
    /// <param name="entryBytes">What an entry takes beside its name.</param>
    public IEnumerable<CodeFunction> Published(int entryBytes) =>
        Within((2L * Pages.RoundUp(length)) + functions.Sum(function => (long)NameBytes(function)), entryBytes);

    private static int NameBytes(CodeFunction function) =>
        function.Name is null ? 0 : Encoding.UTF8.GetByteCount(function.Name);

    private IEnumerable<CodeFunction> Within(long budget, int entryBytes)
    {
        string owner = name ?? "crosscore-code";
        int ownerBytes = Encoding.UTF8.GetByteCount(owner);
        long left = Math.Max(budget, MinBudget);
        for (int index = 0; index < functions.Length; index++)
        {
            CodeFunction function = functions[index];
            left -= entryBytes + (function.Name is null ? ownerBytes + 8 : NameBytes(function));
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
        _byName ??= functions
            .Where(function => function.Name is not null)
            .ToDictionary(function => function.Name!, StringComparer.Ordinal);
        return _byName.TryGetValue(wanted, out CodeFunction found) ? found : null;
    }

    /// <summary>Returns the last function that begins at or before an address and covers it.</summary>
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
