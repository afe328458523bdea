using System.Buffers.Binary;
using System.Text;

namespace Crosscore.Tests.Raw;

/// <summary>
/// Writes the smallest shared library that the C libraries of Linux on x86-64 load: functions that stand before others
/// of the same names. Each asks one function what to do; 0 lets the call through to the function that stands behind,
/// with the arguments that came; any other answer goes to errno, and -1 is returned. Source: elf(5); System V AMD64 ABI
/// 3.2.3.
/// </summary>
internal static class SharedElf
{
    /// <summary>The exported table: the function that decides, what it is told, __errno_location, and then what stands
    /// behind each name, in their order.</summary>
    public const string Table = "table";
    public const int DecideSlot = 0;
    public const int ContextSlot = 1;
    public const int ErrnoSlot = 2;
    public const int FirstRealSlot = 3;

    private const int Headers = 64 + (4 * 56);
    private const int Page = 0x1000;
    private const int SymbolBytes = 24;
    private const int StubBytes = 10;

    public static byte[] Build(IReadOnlyList<string> names)
    {
        var strings = new MemoryStream();
        strings.WriteByte(0);
        int[] nameAt =
        [
            .. names
                .Append(Table)
                .Select(name =>
                {
                    int at = (int)strings.Length;
                    strings.Write(Encoding.ASCII.GetBytes(name + "\0"));
                    return at;
                }),
        ];
        int symbols = Headers;
        int hash = symbols + (SymbolBytes * (nameAt.Length + 1));
        int text = hash + (4 * (3 + nameAt.Length + 1));
        int code = (text + (int)strings.Length + 15) & -16;
        byte[] common = new byte[128];
        int stubs = code + common.Length;
        int data = (stubs + (StubBytes * names.Count) + Page - 1) & -Page;
        int table = data + (6 * 16);
        byte[] file = new byte[table + (8 * (FirstRealSlot + names.Count))];
        Span<byte> all = file;

        // mov eax, index; jmp common
        for (int i = 0; i < names.Count; i++)
        {
            Span<byte> stub = all[(stubs + (StubBytes * i))..];
            stub[0] = 0xB8;
            Write32(stub, 1, (uint)i);
            stub[5] = 0xE9;
            Write32(stub, 6, (uint)(code - (stubs + (StubBytes * i) + 10)));
        }

        WriteCommon(common, code, table);
        common.CopyTo(all[code..]);
        strings.ToArray().CopyTo(all[text..]);
        Write32(all, hash, 1); // One bucket, a chain of all.
        Write32(all, hash + 4, (uint)nameAt.Length + 1);
        Write32(all, hash + 8, 1);
        for (int i = 1; i <= nameAt.Length; i++)
        {
            Write32(all, hash + 12 + (4 * i), i == nameAt.Length ? 0 : (uint)i + 1);
            Span<byte> symbol = all[(symbols + (SymbolBytes * i))..];
            bool isTable = i == nameAt.Length;
            Write32(symbol, 0, (uint)nameAt[i - 1]);
            symbol[4] = isTable ? (byte)0x11 : (byte)0x12; // STB_GLOBAL, STT_OBJECT or STT_FUNC
            symbol[6] = 1; // Of some section: defined here.
            Write64(symbol, 8, (ulong)(isTable ? table : stubs + (StubBytes * (i - 1))));
            Write64(symbol, 16, 8);
        }

        (ulong Tag, ulong Value)[] dynamic =
        [
            (4, (ulong)hash),
            (5, (ulong)text),
            (6, (ulong)symbols),
            (10, (ulong)strings.Length),
            (11, SymbolBytes),
            (0, 0),
        ];
        for (int i = 0; i < dynamic.Length; i++)
        {
            Write64(all, data + (16 * i), dynamic[i].Tag);
            Write64(all, data + (16 * i) + 8, dynamic[i].Value);
        }

        WriteHeaders(all, data);
        return file;
    }

    private static void WriteHeaders(Span<byte> file, int data)
    {
        new byte[] { 0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(file);
        file[16] = 3; // ET_DYN
        file[18] = 62; // EM_X86_64
        file[20] = 1;
        Write64(file, 32, 64);
        file[52] = 64;
        file[54] = 56;
        file[56] = 4;
        file[58] = 64;
        ulong writable = (ulong)(file.Length - data);
        Program(file, 0, 1, 4 | 1, 0, (ulong)data, Page); // PT_LOAD, PF_R | PF_X
        Program(file, 1, 1, 4 | 2, (ulong)data, writable, Page); // PT_LOAD, PF_R | PF_W
        Program(file, 2, 2, 4 | 2, (ulong)data, 6 * 16, 8); // PT_DYNAMIC
        Program(file, 3, 0x6474E551, 4 | 2, 0, 0, 16); // PT_GNU_STACK
    }

    private static void Program(Span<byte> file, int index, uint type, uint flags, ulong at, ulong size, ulong align)
    {
        Span<byte> header = file[(64 + (56 * index))..];
        Write32(header, 0, type);
        Write32(header, 4, flags);
        Write64(header, 8, at);
        Write64(header, 16, at);
        Write64(header, 24, at);
        Write64(header, 32, size);
        Write64(header, 40, size);
        Write64(header, 48, align);
    }

    /// <summary>
    /// The index is in EAX, the arguments are where the caller put them; none of the names has more than six.
    /// </summary>
    private static void WriteCommon(Span<byte> code, int address, int table)
    {
        int at = 0;
        Add(code, ref at, 0x50, 0x57, 0x56, 0x52, 0x51, 0x41, 0x50, 0x41, 0x51); // push rax rdi rsi rdx rcx r8 r9
        Add(code, ref at, 0x48, 0x89, 0xE7); // mov rdi, rsp
        AddRelative(code, ref at, address, table + (8 * ContextSlot), 0x48, 0x8B, 0x35); // mov rsi, [context]
        AddRelative(code, ref at, address, table + (8 * DecideSlot), 0xFF, 0x15); // call [decide]
        Add(code, ref at, 0x49, 0x89, 0xC3); // mov r11, rax
        Add(code, ref at, 0x41, 0x59, 0x41, 0x58, 0x59, 0x5A, 0x5E, 0x5F, 0x58); // pop r9 r8 rcx rdx rsi rdi rax
        Add(code, ref at, 0x45, 0x85, 0xDB); // test r11d, r11d
        Add(code, ref at, 0x75, 11); // jnz refuse
        AddRelative(code, ref at, address, table + (8 * FirstRealSlot), 0x4C, 0x8D, 0x15); // lea r10, [real]
        Add(code, ref at, 0x41, 0xFF, 0x24, 0xC2); // jmp [r10 + 8 * rax]
        Add(code, ref at, 0x41, 0x53); // refuse: push r11
        AddRelative(code, ref at, address, table + (8 * ErrnoSlot), 0xFF, 0x15); // call [__errno_location]
        Add(code, ref at, 0x59, 0x89, 0x08); // pop rcx; mov [rax], ecx
        Add(code, ref at, 0x48, 0xC7, 0xC0, 0xFF, 0xFF, 0xFF, 0xFF, 0xC3); // mov rax, -1; ret
    }

    private static void Add(Span<byte> code, ref int at, params ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(code[at..]);
        at += bytes.Length;
    }

    private static void AddRelative(
        Span<byte> code,
        ref int at,
        int address,
        int target,
        params ReadOnlySpan<byte> bytes
    )
    {
        Add(code, ref at, bytes);
        Write32(code, at, (uint)(target - (address + at + 4)));
        at += 4;
    }

    private static void Write32(Span<byte> at, int offset, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(at[offset..], value);

    private static void Write64(Span<byte> at, int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(at[offset..], value);
}
