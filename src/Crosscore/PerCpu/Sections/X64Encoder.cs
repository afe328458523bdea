using System.Buffers.Binary;

namespace Crosscore.PerCpu;

/// <summary>The registers by their numbers in x86-64 encodings.</summary>
internal enum Gpr
{
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
}

/// <summary>
/// The few x86-64 instructions of which sections consist, as bytes. Source: Intel SDM vol. 2, 2.1 (ModR/M, SIB) and the
/// pages of the instructions.
/// </summary>
internal sealed class X64Encoder
{
    private readonly List<byte> _bytes = [];
    private readonly List<(int Place, X64Label Target)> _jumps = [];

    public int Length => _bytes.Count;

    public byte[] ToArray()
    {
        byte[] code = [.. _bytes];
        foreach ((int place, X64Label target) in _jumps)
        {
            BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(place), target.Position - (place + 4));
        }

        return code;
    }

    public void Bytes(params ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

    public void Mark(X64Label label) => label.Position = Length;

    /// <summary>mov target, number: the shortest form that holds it.</summary>
    public void MoveNumber(Gpr target, long number)
    {
        if (number == 0)
        {
            Registers(0x31, target, target, wide: false); // xor r32, r32 clears the upper half too
        }
        else if (number is > 0 and <= uint.MaxValue)
        {
            Rex(wide: false, 0, target);
            Bytes((byte)(0xB8 + ((int)target & 7)));
            Int32((int)(uint)number);
        }
        else if (number is >= int.MinValue and < 0)
        {
            Rex(wide: true, 0, target);
            Bytes(0xC7, (byte)(0xC0 + ((int)target & 7)));
            Int32((int)number);
        }
        else
        {
            MoveWide(target, number);
        }
    }

    /// <summary>mov target, imm64, also for small numbers: its length does not depend on the number.</summary>
    public void MoveWide(Gpr target, long number)
    {
        Rex(wide: true, 0, target);
        Bytes((byte)(0xB8 + ((int)target & 7)));
        Int64(number);
    }

    public void Move(Gpr target, Gpr source)
    {
        if (target != source)
        {
            Registers(0x89, source, target);
        }
    }

    public void Load(Gpr target, Gpr address, int displacement) => Memory(0x8B, target, address, displacement);

    public void Store(Gpr address, int displacement, Gpr source) => Memory(0x89, source, address, displacement);

    /// <summary>
    /// add [address + displacement], source: one instruction, so nothing of this CPU comes between its load and its
    /// store.
    /// </summary>
    public void AddToMemory(Gpr address, int displacement, Gpr source) => Memory(0x01, source, address, displacement);

    /// <summary>lea target, [address + displacement]</summary>
    public void Address(Gpr target, Gpr address, int displacement) => Memory(0x8D, target, address, displacement);

    public void Add(Gpr target, Gpr source) => Registers(0x01, source, target);

    public void Subtract(Gpr target, Gpr source) => Registers(0x29, source, target);

    public void Compare(Gpr left, Gpr right) => Registers(0x39, right, left);

    /// <summary>cmp register, imm32 with its sign extended.</summary>
    public void Compare(Gpr register, int number)
    {
        Rex(wide: true, 0, register);
        Bytes(0x81, (byte)(0xF8 + ((int)register & 7)));
        Int32(number);
    }

    /// <summary>cmp qword [address], 0</summary>
    public void CompareWithZero(Gpr address)
    {
        Rex(wide: true, 0, address);
        Bytes(0x83);
        ModRm(7, address, 0);
        Bytes(0);
    }

    /// <summary>cmove target, source</summary>
    public void MoveIfEqual(Gpr target, Gpr source)
    {
        Rex(wide: true, target, source);
        Bytes(0x0F, 0x44, (byte)(0xC0 | (((int)target & 7) << 3) | ((int)source & 7)));
    }

    /// <summary>mov eax, fs:[displacement]: a field of this thread's own area.</summary>
    public void LoadThreadField(int displacement)
    {
        Bytes(0x64, 0x8B, 0x04, 0x25);
        Int32(displacement);
    }

    /// <summary>mov fs:[displacement], r11</summary>
    public void StoreThreadFieldFromR11(int displacement)
    {
        Bytes(0x64, 0x4C, 0x89, 0x1C, 0x25);
        Int32(displacement);
    }

    /// <summary>Moves 16, 8, 4, 2 or 1 bytes from memory through xmm0 or the scratch register to memory.</summary>
    public void CopyPiece(
        Gpr source,
        int sourceDisplacement,
        Gpr target,
        int targetDisplacement,
        int bytes,
        Gpr scratch
    )
    {
        switch (bytes)
        {
            case 16:
                Sse(0x10, source, sourceDisplacement); // movups xmm0, [source]
                Sse(0x11, target, targetDisplacement); // movups [target], xmm0
                break;
            case 8:
                Memory(0x8B, scratch, source, sourceDisplacement);
                Memory(0x89, scratch, target, targetDisplacement);
                break;
            case 4:
                Memory(0x8B, scratch, source, sourceDisplacement, wide: false);
                Memory(0x89, scratch, target, targetDisplacement, wide: false);
                break;
            case 2:
                // mov r16: the upper part is not stored
                Memory(0x8B, scratch, source, sourceDisplacement, wide: false, prefix: 0x66);
                Memory(0x89, scratch, target, targetDisplacement, wide: false, prefix: 0x66);
                break;
            case 1:
                // REX, or SIL would be DH
                Memory(0x8A, scratch, source, sourceDisplacement, wide: false, forceRex: true);
                Memory(0x88, scratch, target, targetDisplacement, wide: false, forceRex: true);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(bytes), bytes, "Crosscore bug: no move has this width.");
        }
    }

    /// <summary>
    /// Jumps to a label that may be set later. The condition is the low half of 0F 8x; see <see cref="X64Condition"/>.
    /// </summary>
    public void JumpIf(X64Condition condition, X64Label target)
    {
        Bytes(0x0F, (byte)(0x80 | (int)condition));
        Displacement(target);
    }

    public void Jump(X64Label target)
    {
        Bytes(0xE9);
        Displacement(target);
    }

    public void Return() => Bytes(0xC3);

    public void Int32(int number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        Bytes(bytes);
    }

    private void Int64(long number)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        Bytes(bytes);
    }

    private void Displacement(X64Label target)
    {
        _jumps.Add((Length, target));
        Int32(0);
    }

    private void Registers(byte opcode, Gpr register, Gpr operand, bool wide = true)
    {
        Rex(wide, register, operand);
        Bytes(opcode, (byte)(0xC0 | (((int)register & 7) << 3) | ((int)operand & 7)));
    }

    private void Memory(
        byte opcode,
        Gpr register,
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

        Rex(wide, register, address, forceRex);
        Bytes(opcode);
        ModRm((int)register & 7, address, displacement);
    }

    private void Sse(byte opcode, Gpr address, int displacement)
    {
        Rex(wide: false, 0, address);
        Bytes(0x0F, opcode);
        ModRm(0, address, displacement);
    }

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

/// <summary>A place in the code that jumps name before it is known.</summary>
internal sealed class X64Label
{
    public int Position { get; set; }
}

/// <summary>The conditions of Jcc, by their numbers in the opcode.</summary>
internal enum X64Condition
{
    AboveOrEqual = 3,
    Equal = 4,
    NotEqual = 5,
    Above = 7,
}
