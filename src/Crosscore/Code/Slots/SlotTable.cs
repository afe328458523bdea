using System.Runtime.InteropServices;
using Crosscore.Isa;

namespace Crosscore.Code;

/// <summary>
/// What a slot's stub jumps to, and how often that was changed. Four of them share a cache line: swapping one disturbs
/// calls through its neighbors for one miss.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = SlotTable.SlotBytes)]
internal struct SlotCell
{
    public nint Target;
    public long Swaps;
}

/// <summary>
/// Blocks of slots: a piece of sealed code, the same for every block, in which stub after stub jumps to the address in
/// its cell; and behind it, at the same distance from every stub, the cells, which are data and never executable. So
/// nothing executable is written when a target changes.
/// </summary>
internal static unsafe class SlotTable
{
    public const int SlotBytes = 16;

    /// <summary>Bytes of the stubs, and of the cells: a whole number of pages of any size up to 64 KiB.</summary>
    private const int HalfBytes = 1 << 16;

    private static readonly Lock Growing = new();
    private static readonly List<nint> Blocks = [];
    private static int s_usedInLast;

    static SlotTable() => CodeEvents.Swaps.CountAlso(CountSwaps);

    /// <summary>
    /// Takes a slot that is unused: its stub, and its cell, which is <see cref="HalfBytes"/> further.
    /// </summary>
    /// <exception cref="CodeException">Another block is needed and was refused.</exception>
    public static (nint Stub, nint Cell) Take()
    {
        CodeEvents.Publish(); // not under the lock: it calls listeners
        lock (Growing)
        {
            if (Blocks.Count == 0 || s_usedInLast == HalfBytes / SlotBytes)
            {
                Blocks.Add(MapBlock());
                s_usedInLast = 0;
            }

            nint stub = Blocks[^1] + (s_usedInLast++ * SlotBytes);
            return (stub, stub + HalfBytes);
        }
    }

    /// <summary>
    /// Returns the stubs of a block. All are the same bytes, because each is as far from its cell as every other.
    /// </summary>
    internal static byte[] Stubs(Architecture architecture)
    {
        byte[] stubs = new byte[HalfBytes];
        Span<byte> stub = stackalloc byte[SlotBytes];
        if (architecture == Architecture.X64)
        {
            var code = new X86_64Encoder();
            code.JumpThroughMemory(HalfBytes - X86_64Encoder.JumpThroughMemoryBytes);
            stub.Fill(X86_64Encoder.Int3);
            code.ToArray().CopyTo(stub);
        }
        else
        {
            // X16 may be changed between a call and the entry of what is called (AAPCS64 6.1.1). Zeros trap.
            stub.Clear();
            MemoryMarshal
                .AsBytes<uint>([AArch64Instructions.LoadX16(HalfBytes), AArch64Instructions.BranchToX16])
                .CopyTo(stub);
        }

        for (int at = 0; at < HalfBytes; at += SlotBytes)
        {
            stub.CopyTo(stubs.AsSpan(at));
        }

        return stubs;
    }

    /// <summary>Slots are never given back, so nothing disposes of what is installed here.</summary>
    private static nint MapBlock()
    {
        var writer = new CodeWriter("slots");
        _ = writer.Append(Stubs(RuntimeInformation.ProcessArchitecture), "crosscore-slots");
        using SealedCode code = writer.Seal();
        return code.InstallWithData().Address;
    }

    private static long CountSwaps()
    {
        long swaps = 0;
        lock (Growing)
        {
            for (int block = 0; block < Blocks.Count; block++)
            {
                int used = block == Blocks.Count - 1 ? s_usedInLast : HalfBytes / SlotBytes;

                // SAFETY: the cells of a block are mapped for the life of the process.
                var cells = (SlotCell*)(Blocks[block] + HalfBytes);
                for (int index = 0; index < used; index++)
                {
                    swaps += Volatile.Read(ref cells[index].Swaps);
                }
            }
        }

        return swaps;
    }
}
