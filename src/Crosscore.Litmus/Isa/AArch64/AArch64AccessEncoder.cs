using System.Numerics;
using Crosscore.Model.Programs;
using static Crosscore.Litmus.Isa.AArch64.AArch64Fields;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Encodes instructions that access memory.</summary>
internal static class AArch64AccessEncoder
{
    private static uint Size(int width) => (uint)BitOperations.Log2((uint)width) << 30;

    public static uint? Access(AArch64Instruction instruction)
    {
        AArch64Mnemonic mnemonic = instruction.Mnemonic;
        var data = (AArch64Register)instruction.Operands[0];
        var memory = (AArch64Memory)instruction.Operands[1];
        int width = mnemonic.AccessWidth != 0 ? mnemonic.AccessWidth : data.Width;
        bool loads = mnemonic.Opcode == AArch64Opcode.Load;
        uint common = Size(width) | Bits(memory.Base) << 5 | Bits(data);
        long offset = memory.Offset is AArch64Immediate constant ? constant.Value : 0;
        uint imm9 = ((uint)offset & 0x1FF) << 12;
        bool isNear = Fits(offset, 9);
        string name = mnemonic.Name.TrimEnd('B', 'H');
        uint? ordered = Ordered(name);
        if (data.Width == 8 && mnemonic.AccessWidth != 0 && !mnemonic.IsSigned)
        {
            return null;
        }

        if (ordered is not null)
        {
            return memory is { Indexing: AArch64Indexing.None, Offset: null or AArch64Immediate { Value: 0 } }
                ? common | ordered
                : null;
        }

        if (name is "LDAPUR" or "STLUR")
        {
            return memory is { Indexing: AArch64Indexing.None, Offset: null or AArch64Immediate } && isNear
                ? common | (loads ? 0x1940_0000u : 0x1900_0000) | imm9
                : null;
        }

        uint kind = KindOf(loads, mnemonic.IsSigned, data);
        if (kind == 3 && width == 4)
        {
            return null;
        }

        common |= 0x3800_0000 | kind << 22;
        if (memory.Offset is AArch64Register index)
        {
            return Indexed(memory, index, width, mnemonic.Name) is uint indexed ? common | indexed : null;
        }

        return memory.Indexing != AArch64Indexing.None
            ? isNear
                ? common | (memory.Indexing == AArch64Indexing.Before ? 0xC00u : 0x400) | imm9
                : null
            : !mnemonic.Name.Contains("UR", StringComparison.Ordinal)
            && offset >= 0
            && offset % width == 0
            && offset / width <= 0xFFF
                ? common | 0x0100_0000 | (uint)(offset / width) << 10
                : isNear
                    ? common | imm9
                    : null;
    }

    private static uint KindOf(bool loads, bool isSigned, AArch64Register data) =>
        !loads ? 0u
        : !isSigned ? 1u
        : data.Width == 8 ? 2u
        : 3u;

    private static uint? Ordered(string name) =>
        name switch
        {
            "LDAR" => 0x08DF_FC00,
            "LDAPR" => 0x38BF_C000,
            "STLR" => 0x089F_FC00,
            "LDXR" => 0x085F_7C00,
            "LDAXR" => 0x085F_FC00,
            _ => null,
        };

    private static uint? Indexed(AArch64Memory memory, AArch64Register index, int width, string name)
    {
        string extension = index.Shift?.Kind ?? "LSL";
        uint amount = (uint)(index.Shift?.Amount ?? 0);
        uint option = extension switch
        {
            "UXTW" => 2,
            "SXTW" => 6,
            "SXTX" => 7,
            _ => 3,
        };
        return
            memory.Indexing != AArch64Indexing.None
            || index.Width != ((option & 1) == 0 ? 4 : 8)
            || (amount != 0 && amount != BitOperations.Log2((uint)width))
            || name.Contains("UR", StringComparison.Ordinal)
            ? null
            : 0x0020_0800 | Bits(index) << 16 | option << 13 | (amount != 0 ? 1u << 12 : 0);
    }

    public static uint? Pair(AArch64Instruction instruction)
    {
        var first = (AArch64Register)instruction.Operands[0];
        var second = (AArch64Register)instruction.Operands[1];
        var memory = (AArch64Memory)instruction.Operands[2];
        string name = instruction.Mnemonic.Name;
        bool sign = name == "LDPSW";
        int width = sign ? 4 : first.Width;
        long offset = memory.Offset is AArch64Immediate constant ? constant.Value : 0;
        bool hinted = name is "LDNP" or "STNP";
        uint mode = memory.Indexing switch
        {
            AArch64Indexing.After => 0x2880_0000,
            AArch64Indexing.Before => 0x2980_0000,
            _ => hinted ? 0x2800_0000u : 0x2900_0000,
        };
        return
            name is "LDIAPP" or "STILP"
            || memory.Offset is AArch64Register
            || offset % width != 0
            || !Fits(offset / width, 7)
            || (hinted && memory.Indexing != AArch64Indexing.None)
            || (sign && first.Width != 8)
            ? null
            : mode
                | (sign ? 0x4000_0000u : WideBit(first))
                | (instruction.Opcode == AArch64Opcode.LoadPair ? 0x0040_0000u : 0)
                | ((uint)(offset / width) & 0x7F) << 15
                | Bits(second) << 10
                | Bits(memory.Base) << 5
                | Bits(first);
    }

    public static uint? Atomic(AArch64Instruction instruction)
    {
        AArch64Mnemonic mnemonic = instruction.Mnemonic;
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        var memory = (AArch64Memory)operands[^1];
        var first = (AArch64Register)operands[0];
        AArch64Register second =
            operands.Count > 2 ? (AArch64Register)operands[1] : new AArch64Register(AArch64Register.Zero, first.Width);
        int width = mnemonic.AccessWidth != 0 ? mnemonic.AccessWidth : second.Width;
        uint common = Size(width) | Bits(first) << 16 | Bits(memory.Base) << 5 | Bits(second);
        bool acquires = (mnemonic.LoadOrder & AccessOrder.Acquire) != 0;
        bool releases = (mnemonic.StoreOrder & AccessOrder.Release) != 0;
        if (instruction.Opcode == AArch64Opcode.StoreExclusive)
        {
            return first.Width != 4 || (second.Width == 8 && mnemonic.AccessWidth != 0)
                ? null
                : common | 0x0800_7C00 | (releases ? 0x8000u : 0);
        }

        if (first.Width != second.Width || (first.Width == 8 && mnemonic.AccessWidth != 0))
        {
            return null;
        }

        if (instruction.Opcode == AArch64Opcode.CompareAndSwap)
        {
            return common | 0x08A0_7C00 | (acquires ? 0x0040_0000u : 0) | (releases ? 0x8000u : 0);
        }

        uint operation =
            instruction.Opcode == AArch64Opcode.Swap
                ? 0x8000u
                : mnemonic.Function switch
                {
                    AArch64Function.Add => 0u,
                    AArch64Function.Clr => 1u,
                    AArch64Function.Eor => 2u,
                    AArch64Function.Set => 3u,
                    AArch64Function.Smax => 4u,
                    AArch64Function.Smin => 5u,
                    AArch64Function.Umax => 6u,
                    _ => 7u,
                } << 12;
        return common | 0x3820_0000 | operation | (acquires ? 0x0080_0000u : 0) | (releases ? 0x0040_0000u : 0);
    }
}
