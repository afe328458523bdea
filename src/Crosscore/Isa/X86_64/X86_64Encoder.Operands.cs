using System.Buffers.Binary;

namespace Crosscore.Isa;

/// <content>How operands are encoded: prefixes, ModR/M, SIB, displacements.</content>
internal sealed partial class X86_64Encoder
{
    private void Bytes(params ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

    private void Int32(int number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        Bytes(bytes);
    }

    private void Distance(X86_64Label target)
    {
        _jumps.Add((Length, target));
        Int32(0);
    }

    private void Registers(byte opcode, Gpr register, Gpr operand, bool wide = true)
    {
        Rex(wide, register, operand);
        Bytes(opcode, (byte)(0xC0 | (((int)register & 7) << 3) | ((int)operand & 7)));
    }

    /// <summary>Group 1 with a register: the short form where the number fits into a byte.</summary>
    private void Immediate(int extension, Gpr target, int number)
    {
        bool isShort = number is >= sbyte.MinValue and <= sbyte.MaxValue;
        Registers((byte)(isShort ? 0x83 : 0x81), (Gpr)extension, target);
        if (isShort)
        {
            Bytes((byte)number);
        }
        else
        {
            Int32(number);
        }
    }

    private void Memory(
        byte opcode,
        int register,
        Gpr address,
        int displacement,
        bool wide = true,
        byte prefix = 0,
        bool forceRex = false
    )
    {
        if (prefix != 0)
        {
            Bytes(prefix);
        }

        Rex(wide, (Gpr)register, address, forceRex);
        Bytes(opcode);
        ModRm(register & 7, address, displacement);
    }

    private void Vector(byte opcode, Gpr address, int displacement)
    {
        Rex(wide: false, 0, address);
        Bytes(0x0F, opcode);
        ModRm(0, address, displacement);
    }

    private void VectorAtR11(byte opcode, Gpr address, int displacement)
    {
        Bytes((byte)(0x42 | ((int)address >> 3)), 0x0F, opcode, 0x84, Sib(address, Gpr.R11));
        Int32(displacement);
    }

    private static byte Sib(Gpr address, Gpr index) => (byte)((((int)index & 7) << 3) | ((int)address & 7));

    private void Rex(bool wide, Gpr register, Gpr operand, bool force = false)
    {
        int rex = 0x40 | (wide ? 8 : 0) | ((int)register >> 3 << 2) | ((int)operand >> 3);
        if (rex != 0x40 || force)
        {
            Bytes((byte)rex);
        }
    }

    /// <summary>[address + displacement]. RBP and RSP would need other forms and are never addresses here.</summary>
    private void ModRm(int register, Gpr address, int displacement)
    {
        int low = (register << 3) | ((int)address & 7);
        if (displacement == 0)
        {
            Bytes((byte)low);
        }
        else if (displacement is >= sbyte.MinValue and <= sbyte.MaxValue)
        {
            Bytes((byte)(0x40 | low), (byte)displacement);
        }
        else
        {
            Bytes((byte)(0x80 | low));
            Int32(displacement);
        }
    }
}
