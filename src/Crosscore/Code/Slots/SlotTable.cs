using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Crosscore.Code;

/// <summary>
/// What a slot's stub jumps to, and how often that was changed. Four of them share a cache line: swapping one disturbs
/// calls through its neighbours for one miss.
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

    /// <summary>The stub of a slot that nobody has; its cell is <see cref="HalfBytes"/> further.</summary>
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
    /// The stubs of a block. All are the same bytes, because each is as far from its cell as every other.
    /// </summary>
    internal static byte[] Stubs(Architecture architecture)
    {
        byte[] stubs = new byte[HalfBytes];
        Span<byte> stub = stackalloc byte[SlotBytes];
        if (architecture == Architecture.X64)
        {
            // jmp [rip + distance], counted from the end of its 6 bytes; then traps.
            stub.Fill(0xCC);
            stub[0] = 0xFF;
            stub[1] = 0x25;
            BinaryPrimitives.WriteInt32LittleEndian(stub[2..], HalfBytes - 6);
        }
        else
        {
            // ldr x16, [pc + distance]; br x16: X16 may be changed between a call and the entry of what is called
            // (AAPCS64 6.1.1). Then traps.
            stub.Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(stub, 0x58000010 | (HalfBytes / 4 << 5));
            BinaryPrimitives.WriteUInt32LittleEndian(stub[4..], 0xD61F0200);
        }

        for (int at = 0; at < HalfBytes; at += SlotBytes)
        {
            stub.CopyTo(stubs.AsSpan(at));
        }

        return stubs;
    }

    private static nint MapBlock()
    {
        var writer = new CodeWriter("slots");
        _ = writer.Append(Stubs(RuntimeInformation.ProcessArchitecture), "crosscore-slots");
        using SealedCode code = writer.Seal();
        CodeRange range = CodeRange.OfThisProcess;
        nint address = range.MapCodeAndData(code.File, HalfBytes);
        try
        {
            InstructionCaches.MakeFetchable(address, HalfBytes);
            CodeRegistry.Add(new CodeSegment(address, HalfBytes, code.Name, [.. code.Functions]));
        }
        catch
        {
            range.Free(address, 2 * HalfBytes, 0);
            throw;
        }

        CodeEvents.Segments.Add(1);
        CodeEvents.Bytes.Add(HalfBytes);
        return address;
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
