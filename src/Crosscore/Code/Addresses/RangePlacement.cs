using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// Finds where a range for code can lie so that a 32-bit displacement reaches from anywhere in it to anywhere in the
/// runtime and the C library, and back. A pure function of the process's memory map.
/// </summary>
/// <remarks>
/// CoreCLR itself reserves the two gigabytes below its library, so what is left is usually above, between the program
/// interpreter and the stack. The kernel puts nothing there by itself, but the stack grows down into it as far as its
/// limit.
/// </remarks>
internal static class RangePlacement
{
    /// <summary>rel32 is counted from the end of the instruction, so a page is left over at either end.</summary>
    private const nint Reach = int.MaxValue - 0xFFFF;

    private const nint MaxRange = 1 << 30;
    private const nint MinRange = 64 << 20;

    /// <summary>Ranges start at a multiple of 2 MiB, where another page table begins.</summary>
    private const nint Alignment = 2 << 20;

    /// <summary>
    /// stack_guard_gap of the kernel, 256 pages, and the pages that randomization may add, are covered by far.
    /// </summary>
    private const nint StackMargin = 64 << 20;

    /// <summary>
    /// Returns candidates, the largest first, and of equal ones the nearest; empty if there is no room within reach.
    /// </summary>
    /// <param name="map">What is mapped.</param>
    /// <param name="stackLimit">The stack's soft limit in bytes; <see langword="null"/> for none.</param>
    public static List<(nint Start, nint Length)> Candidates(IReadOnlyList<MemoryMapLine> map, long? stackLimit)
    {
        MemoryMapLine[] anchors = [.. map.Where(IsAnchor)];
        var candidates = new List<(nint Start, nint Length)>();
        if (anchors.Length == 0)
        {
            return candidates;
        }

        nint lowest = anchors.Min(line => line.Start);
        nint highest = anchors.Max(line => line.End);
        nint from = nint.Max(highest - Reach, Alignment); // never page 0
        nint to = lowest + Reach;
        for (nint length = MaxRange; length >= MinRange; length /= 2)
        {
            var ofThisLength = new List<nint>();
            nint gapStart = 0;
            foreach (MemoryMapLine line in map)
            {
                nint gapEnd = line.Start;
                if (line.Path == "[stack]")
                {
                    gapEnd = stackLimit is { } limit && limit < gapEnd ? gapEnd - (nint)limit - StackMargin : gapStart;
                }

                // As near to the runtime as the gap allows: at its end when it is below, at its start when it is above.
                nint low = RoundUp(nint.Max(gapStart, from));
                nint high = nint.Min(gapEnd, to) - length;
                if (low <= high)
                {
                    ofThisLength.Add(gapEnd <= lowest ? high / Alignment * Alignment : low);
                }

                gapStart = line.End;
            }

            candidates.AddRange(
                ofThisLength
                    .Where(start => start >= from)
                    .OrderBy(start => nint.Abs(start - lowest))
                    .Select(start => (start, length))
            );
        }

        return candidates;
    }

    private static nint RoundUp(nint address) => (address + Alignment - 1) / Alignment * Alignment;

    private static bool IsAnchor(MemoryMapLine line)
    {
        ReadOnlySpan<char> file = System.IO.Path.GetFileName(line.Path.AsSpan());
        return line.Permissions.Contains('x', StringComparison.Ordinal)
            && (
                file.StartsWith("libcoreclr.so")
                || file.StartsWith("libc.so")
                || file.StartsWith("libc-2.")
                || file.StartsWith("ld-musl-")
            );
    }
}
