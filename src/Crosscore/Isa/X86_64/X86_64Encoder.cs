using System.Buffers.Binary;

namespace Crosscore.Isa;

/// <summary>
/// The x86-64 instructions of which this library's own machine code consists, as bytes: sections of per-CPU data, the
/// breakpoint handler, the stubs of slots. Source: Intel SDM vol. 2, 2.1 (ModR/M, SIB) and the pages of the
/// instructions. Every jump has four bytes of distance.
/// </summary>
internal sealed partial class X86_64Encoder
{
    /// <summary>
    /// INT3: one byte, so the one instruction that can be stored over any other while a core fetches it.
    /// </summary>
    public const byte Int3 = 0xCC;

    /// <summary>RET.</summary>
    public const byte Ret = 0xC3;

    /// <summary>The length of <see cref="JumpThroughMemory"/>, from the end of which its distance counts.</summary>
    public const int JumpThroughMemoryBytes = 6;

    private readonly List<byte> _bytes = [];
    private readonly List<(int Place, X86_64Label Target)> _jumps = [];

    public int Length => _bytes.Count;

    public byte[] ToArray()
    {
        byte[] code = [.. _bytes];
        foreach ((int place, X86_64Label target) in _jumps)
        {
            BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(place), target.Position - (place + 4));
        }

        return code;
    }

    /// <summary>Appends code that was encoded before.</summary>
    public void Append(ReadOnlySpan<byte> code) => _bytes.AddRange(code);

    public void Mark(X86_64Label label) => label.Position = Length;

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
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        Bytes(bytes);
    }

    public void Move(Gpr target, Gpr source)
    {
        if (target != source)
        {
            Registers(0x89, source, target);
        }
    }

    /// <summary>mov r32, r32: the upper half of the target becomes zero.</summary>
    public void Move32(Gpr target, Gpr source) => Registers(0x89, source, target, wide: false);

    /// <summary>cmove target, source</summary>
    public void MoveIfEqual(Gpr target, Gpr source)
    {
        Rex(wide: true, target, source);
        Bytes(0x0F, 0x44, (byte)(0xC0 | (((int)target & 7) << 3) | ((int)source & 7)));
    }

    public void Load(Gpr target, Gpr address, int displacement) => Memory(0x8B, (int)target, address, displacement);

    public void Store(Gpr address, int displacement, Gpr source) => Memory(0x89, (int)source, address, displacement);

    /// <summary>lea target, [address + displacement]</summary>
    public void Address(Gpr target, Gpr address, int displacement) => Memory(0x8D, (int)target, address, displacement);

    /// <summary>lea target, [address + index + displacement]</summary>
    public void Address(Gpr target, Gpr address, Gpr index, sbyte displacement)
    {
        Bytes((byte)(0x48 | ((int)target >> 3 << 2) | ((int)index >> 3 << 1) | ((int)address >> 3)));
        Bytes(0x8D, (byte)(0x44 | (((int)target & 7) << 3)), Sib(address, index), (byte)displacement);
    }

    public void Add(Gpr target, Gpr source) => Registers(0x01, source, target);

    public void Add(Gpr target, int number) => Immediate(0, target, number);

    /// <summary>
    /// add [address + displacement], source: one instruction, so nothing of this CPU comes between its load and its
    /// store.
    /// </summary>
    public void AddToMemory(Gpr address, int displacement, Gpr source) =>
        Memory(0x01, (int)source, address, displacement);

    public void Subtract(Gpr target, Gpr source) => Registers(0x29, source, target);

    public void Subtract(Gpr target, int number) => Immediate(5, target, number);

    /// <summary>imul target, source, imm32</summary>
    public void Multiply(Gpr target, Gpr source, int number)
    {
        Registers(0x69, target, source);
        Int32(number);
    }

    public void ShiftLeft(Gpr target, byte bits)
    {
        Registers(0xC1, (Gpr)4, target);
        Bytes(bits);
    }

    public void ShiftRight(Gpr target, byte bits)
    {
        Registers(0xC1, (Gpr)5, target);
        Bytes(bits);
    }

    public void Increment(Gpr target) => Registers(0xFF, (Gpr)0, target);

    public void Decrement(Gpr target) => Registers(0xFF, (Gpr)1, target);

    /// <summary>dec r32</summary>
    public void Decrement32(Gpr target) => Registers(0xFF, (Gpr)1, target, wide: false);

    /// <summary>lock inc qword [address + displacement]</summary>
    public void IncrementLocked(Gpr address, int displacement) => Memory(0xFF, 0, address, displacement, prefix: 0xF0);

    /// <summary>lock dec qword [address + displacement]</summary>
    public void DecrementLocked(Gpr address, int displacement) => Memory(0xFF, 1, address, displacement, prefix: 0xF0);

    /// <summary>and target, [address]</summary>
    public void AndFromMemory(Gpr target, Gpr address) => Memory(0x23, (int)target, address, 0);

    public void Test(Gpr left, Gpr right) => Registers(0x85, right, left);

    public void Compare(Gpr left, Gpr right) => Registers(0x39, right, left);

    /// <summary>cmp register, imm32 with its sign extended.</summary>
    public void Compare(Gpr register, int number)
    {
        Registers(0x81, (Gpr)7, register);
        Int32(number);
    }

    /// <summary>cmp register, [address + displacement]</summary>
    public void CompareWithMemory(Gpr register, Gpr address, int displacement) =>
        Memory(0x3B, (int)register, address, displacement);

    /// <summary>cmp [address], register</summary>
    public void CompareInMemory(Gpr address, Gpr register) => Memory(0x39, (int)register, address, 0);

    /// <summary>cmp [address + displacement], number: 1, 4 or 8 bytes of memory.</summary>
    public void CompareInMemory(Gpr address, int displacement, int number, int bytes = 8)
    {
        bool isShort = bytes == 1 || number is >= sbyte.MinValue and <= sbyte.MaxValue;
        byte opcode = (byte)(
            bytes == 1 ? 0x80
            : isShort ? 0x83
            : 0x81
        );
        Memory(opcode, 7, address, displacement, wide: bytes == 8);
        if (isShort)
        {
            Bytes((byte)number);
        }
        else
        {
            Int32(number);
        }
    }

    public void Push(Gpr source) => Bytes((byte)(0x50 + (int)source));

    public void Pop(Gpr target) => Bytes((byte)(0x58 + (int)target));

    /// <summary>push imm8, as 8 bytes</summary>
    public void PushNumber(sbyte number) => Bytes(0x6A, (byte)number);

    /// <summary>mov eax, fs:[displacement]: a field of this thread's own area.</summary>
    public void LoadThreadField(int displacement)
    {
        Bytes(0x64, 0x8B, 0x04, 0x25);
        Int32(displacement);
    }

    /// <summary>mov rax, fs:[0]: the ABI keeps the thread pointer at its own address (ELF TLS, variant II).</summary>
    public void LoadThreadPointer()
    {
        Bytes(0x64, 0x48, 0x8B, 0x04, 0x25);
        Int32(0);
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
        (byte load, byte store, byte prefix) = bytes switch
        {
            8 or 4 => ((byte)0x8B, (byte)0x89, (byte)0),
            2 => ((byte)0x8B, (byte)0x89, (byte)0x66), // mov r16: the upper part is not stored
            1 => ((byte)0x8A, (byte)0x88, (byte)0),
            16 => ((byte)0x10, (byte)0x11, (byte)0),
            _ => throw new ArgumentOutOfRangeException(nameof(bytes), bytes, "Crosscore bug: no move has this width."),
        };
        if (bytes == 16)
        {
            Vector(load, source, sourceDisplacement); // movups xmm0, [source]
            Vector(store, target, targetDisplacement); // movups [target], xmm0
            return;
        }

        // One byte needs a REX prefix, or SIL would be DH.
        Memory(load, (int)scratch, source, sourceDisplacement, bytes == 8, prefix, forceRex: bytes == 1);
        Memory(store, (int)scratch, target, targetDisplacement, bytes == 8, prefix, forceRex: bytes == 1);
    }

    /// <summary>movups xmm0, [address + r11 + displacement]</summary>
    public void LoadVector(Gpr address, int displacement) => VectorAtR11(0x10, address, displacement);

    /// <summary>movups [address + r11 + displacement], xmm0</summary>
    public void StoreVector(Gpr address, int displacement) => VectorAtR11(0x11, address, displacement);

    public void JumpIf(X86_64Condition condition, X86_64Label target)
    {
        Bytes(0x0F, (byte)(0x80 | (int)condition));
        Distance(target);
    }

    public void Jump(X86_64Label target)
    {
        Bytes(0xE9);
        Distance(target);
    }

    /// <summary>jmp register, one of the first eight.</summary>
    public void Jump(Gpr target) => Bytes(0xFF, (byte)(0xE0 + (int)target));

    /// <summary>jmp [rip + distance]: to the address in the word that lies so far behind the end of this.</summary>
    public void JumpThroughMemory(int distance)
    {
        Bytes(0xFF, 0x25);
        Int32(distance);
    }

    public void Call(X86_64Label target)
    {
        Bytes(0xE8);
        Distance(target);
    }

    public void Return() => Bytes(Ret);

    /// <summary>lea rax, [rip + distance to the label]</summary>
    public void AddressInRax(X86_64Label place)
    {
        Bytes(0x48, 0x8D, 0x05);
        Distance(place);
    }

    /// <summary>rdsspq rax: the shadow stack pointer; no effect where there is no shadow stack.</summary>
    public void ReadShadowStackPointer() => Bytes(0xF3, 0x48, 0x0F, 0x1E, 0xC8);

    /// <summary>mov eax, ss</summary>
    public void LoadStackSegment() => Bytes(0x8C, 0xD0);

    /// <summary>mov eax, cs</summary>
    public void LoadCodeSegment() => Bytes(0x8C, 0xC8);

    /// <summary>pushfq</summary>
    public void PushFlags() => Bytes(0x9C);

    /// <summary>iretq: to what the five words on the stack say: address, cs, flags, stack pointer, ss.</summary>
    public void InterruptReturn() => Bytes(0x48, 0xCF);

    public void CpuId() => Bytes(0x0F, 0xA2);

    public void Serialize() => Bytes(0x0F, 0x01, 0xE8);

    public void SystemCall() => Bytes(0x0F, 0x05);

    /// <summary>ud1 edi, [rip + number]: never executed; carries a number where the kernel looks for one.</summary>
    public void Undefined(uint number)
    {
        Bytes(0x0F, 0xB9, 0x3D);
        Int32(unchecked((int)number));
    }
}
