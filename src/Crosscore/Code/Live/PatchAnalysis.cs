using Crosscore.Isa;

namespace Crosscore.Code;

/// <summary>A run of bytes that is to be replaced.</summary>
internal readonly record struct CodeChange(int Offset, byte[] Bytes)
{
    public int End => Offset + Bytes.Length;
}

/// <summary>
/// From bytes that are to be replaced to the instructions that change. A pure function of the code, its instructions
/// and the changes; whatever is wrong with a change is found here, before anything is touched.
/// </summary>
internal static class PatchAnalysis
{
    /// <param name="code">The present bytes.</param>
    /// <param name="map">Where its instructions begin.</param>
    /// <param name="changes">In order of their offsets, without overlaps, inside the code.</param>
    /// <param name="sites">Receives the instructions that change, in order.</param>
    /// <param name="looked">Receives the bytes that were examined, whole instructions.</param>
    /// <exception cref="CodeException">The changes do not leave whole, known instructions, or remove the start of
    /// one.</exception>
    public static void FindSites(
        ReadOnlySpan<byte> code,
        InstructionMap map,
        ReadOnlySpan<CodeChange> changes,
        List<PatchSite> sites,
        List<(int Offset, byte[] Bytes)> looked
    )
    {
        Span<byte> small = stackalloc byte[256];
        for (int index = 0; index < changes.Length; )
        {
            // Changes that touch the same instruction are examined together.
            int start = map.StartOf(changes[index].Offset);
            int end = map.EndOf(changes[index].End - 1);
            int next = index + 1;
            while (next < changes.Length && changes[next].Offset < end)
            {
                end = Math.Max(end, map.EndOf(changes[next].End - 1));
                next++;
            }

            Span<byte> after = end - start <= small.Length ? small[..(end - start)] : new byte[end - start];
            code[start..end].CopyTo(after);
            foreach (CodeChange change in changes[index..next])
            {
                change.Bytes.CopyTo(after[(change.Offset - start)..]);
            }

            FindSites(code, map, start, after, sites);
            looked.Add((start, code[start..end].ToArray()));
            index = next;
        }
    }

    private static void FindSites(
        ReadOnlySpan<byte> code,
        InstructionMap map,
        int start,
        ReadOnlySpan<byte> after,
        List<PatchSite> sites
    )
    {
        int end = start + after.Length;
        int old = start; // The old instruction that the new ones are in the place of.
        int oldEnd = map.EndOf(old);
        int instructions = 0;
        Span<byte> window = stackalloc byte[15];
        for (int at = start; at < end; )
        {
            // The bytes that follow are given, too, so that an instruction that would run into them is seen as such.
            int inside = Math.Min(window.Length, end - at);
            after.Slice(at - start, inside).CopyTo(window);
            int outside = Math.Min(window.Length - inside, code.Length - end);
            code.Slice(end, outside).CopyTo(window[inside..]);
            X86_64Instruction instruction = Decode(window[..(inside + outside)], at);
            instructions++;
            at += instruction.Length;
            if (at > end)
            {
                throw new CodeException(
                    CodeFailure.PatchCutsInstruction,
                    $"After the change an instruction at {at - instruction.Length} would have {instruction.Length} "
                        + $"bytes and run into what follows at {end}. Replace whole instructions, and fill up with "
                        + "NOPs."
                );
            }

            if (at > oldEnd)
            {
                throw new CodeException(
                    CodeFailure.PatchRemovesBoundary,
                    $"An instruction begins at {oldEnd}, and after the change none would: the new one at "
                        + $"{at - instruction.Length} reaches over it. A thread may be stopped there now, with what "
                        + "stands before it already executed, and would continue in the middle of the new one. "
                        + "Prepare the site with one instruction at least as long as the longest it will hold, a long "
                        + "NOP for example."
                );
            }

            if (at == oldEnd)
            {
                AddSite(code[old..oldEnd], after[(old - start)..(oldEnd - start)], old, instructions, sites);
                old = oldEnd;
                oldEnd = old < end ? map.EndOf(old) : old;
                instructions = 0;
            }
        }
    }

    private static X86_64Instruction Decode(ReadOnlySpan<byte> bytes, int at) =>
        X86_64Decoder.TryDecode(bytes, out X86_64Instruction instruction)
            ? instruction
            : throw new CodeException(
                CodeFailure.UnknownInstruction,
                $"After the change there would be no instruction that this library knows at {at}: "
                    + $"{InstructionMap.Hexadecimal(bytes, 0)}."
            );

    private static void AddSite(
        ReadOnlySpan<byte> before,
        ReadOnlySpan<byte> after,
        int offset,
        int instructions,
        List<PatchSite> sites
    )
    {
        int first = before.CommonPrefixLength(after);
        if (first == before.Length)
        {
            return;
        }

        int last = before.Length - 1;
        while (before[last] == after[last])
        {
            last--;
        }

        sites.Add(
            new PatchSite(offset, InstructionBytes.Of(before), InstructionBytes.Of(after), instructions, first, last)
        );
    }
}
