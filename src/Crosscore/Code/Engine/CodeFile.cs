using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Crosscore.Code;

/// <summary>
/// What a sealed file contains: the code, filled up to whole pages with instructions that trap; then, in pages that are never mapped for execution, the table of functions; in the end
/// this header. All numbers are little-endian.
/// </summary>
/// <remarks>
/// <para>Header, the last 40 bytes: "Crosscor" (8), version (2), ELF machine number (2), page size (4), bytes of code (4), bytes of its pages (4), bytes of the table (4), functions (4), 8 bytes zero.</para>
/// <para>Table: the segment's name, then for each function how far it begins after the one before it (modulo 2^32: a further entry point may begin before), its length and its name. A name is a count of bytes and UTF-8;
/// no bytes are no name. Numbers take 7 bits a byte, the lowest first, and the high bit says that another byte follows: with 64-byte functions without names, 3 bytes a function.</para>
/// </remarks>
internal static class CodeFile
{
    public const int MaximumNameBytes = 1024;

    /// <summary>The size of a page. The runtime's property asks the system each time, which costs as much as appending a function.</summary>
    public static readonly int Page = Environment.SystemPageSize;

    private const int HeaderBytes = 40;
    private const int NumberBytes = 5; // at most
    private const ushort Version = 1;

    private static ReadOnlySpan<byte> Magic => "Crosscor"u8;

    /// <summary>EM_X86_64 and EM_AARCH64 of elf(5).</summary>
    public static ushort Machine => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (ushort)62 : (ushort)183;

    /// <summary>INT3 on x86-64 (one byte, so from any offset); UDF #0, four null bytes, on arm64. Both run into an exception when executed.</summary>
    public static byte Trap => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (byte)0xCC : (byte)0x00;

    public static int WholePages(int length) => checked(length + Page - 1) & -Page;

    /// <summary>An upper bound for the size of the file.</summary>
    public static int Bound(int codeLength, int functions, int nameCharacters, string? segmentName) => WholePages(
        WholePages(codeLength) + HeaderBytes + NumberBytes + (3 * (segmentName?.Length ?? 0)) + (functions * 3 * NumberBytes) + (3 * nameCharacters));

    /// <summary>Completes a buffer that begins with the code.</summary>
    /// <returns>The size of the file.</returns>
    public static int Complete(Span<byte> buffer, int codeLength, ReadOnlySpan<CodeFunction> functions, string? segmentName)
    {
        int pages = WholePages(codeLength);
        buffer[codeLength..pages].Fill(Trap);
        Span<byte> table = buffer[pages..];
        int at = WriteName(table, 0, segmentName);
        int previous = 0;
        foreach (CodeFunction function in functions)
        {
            at = WriteNumber(table, at, function.Offset - previous);
            at = WriteNumber(table, at, function.Length);
            at = WriteName(table, at, function.Name);
            previous = function.Offset;
        }

        int size = WholePages(pages + at + HeaderBytes);
        Span<byte> header = buffer[(size - HeaderBytes)..size];
        buffer[(pages + at)..(size - HeaderBytes)].Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], Machine);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], Page);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], codeLength);
        BinaryPrimitives.WriteInt32LittleEndian(header[20..], pages);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], at);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], functions.Length);
        header[32..].Clear();
        return size;
    }

    /// <summary>Reads what <see cref="Complete"/> wrote, believing nothing.</summary>
    /// <param name="file">All of the file.</param>
    /// <exception cref="CodeException">It is something else.</exception>
    public static (int CodeLength, string? Name, CodeFunction[] Functions) Parse(ReadOnlySpan<byte> file)
    {
        Check(file.Length >= 2 * Page && file.Length % Page == 0, "its size is not that of such a file");
        ReadOnlySpan<byte> header = file[^HeaderBytes..];
        Check(header[..8].SequenceEqual(Magic), "it does not end with the header of such a file");
        Check(BinaryPrimitives.ReadUInt16LittleEndian(header[8..]) == Version, "it has another version");
        Check(BinaryPrimitives.ReadUInt16LittleEndian(header[10..]) == Machine, "it is for another processor");
        Check(BinaryPrimitives.ReadInt32LittleEndian(header[12..]) == Page, "it is for another page size");
        int codeLength = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        int pages = BinaryPrimitives.ReadInt32LittleEndian(header[20..]);
        int tableLength = BinaryPrimitives.ReadInt32LittleEndian(header[24..]);
        int count = BinaryPrimitives.ReadInt32LittleEndian(header[28..]);
        Check(codeLength > 0 && codeLength <= file.Length - Page && pages == WholePages(codeLength), "its code does not fit into it");
        Check(tableLength >= 0 && tableLength <= file.Length - pages - HeaderBytes, "its table does not fit into it");
        Check(count >= 0 && count <= tableLength / 3, "its table does not hold that many functions");
        Check(file[codeLength..pages].IndexOfAnyExcept(Trap) < 0, "the bytes after its code do not trap");

        ReadOnlySpan<byte> table = file.Slice(pages, tableLength);
        string? name = ReadName(ref table);
        var functions = new CodeFunction[count];
        var names = new HashSet<string>(StringComparer.Ordinal);
        int previous = 0;
        for (int index = 0; index < count; index++)
        {
            int offset = unchecked(previous + ReadNumber(ref table));
            int length = ReadNumber(ref table);
            Check(offset >= 0 && length > 0 && offset <= codeLength - length, $"function {index} lies outside of the code");
            string? functionName = ReadName(ref table);
            Check(functionName is null || names.Add(functionName), $"two functions are called '{functionName}'");
            functions[index] = new(functionName, offset, length);
            previous = offset;
        }

        Check(table.IsEmpty, "its table is longer than its functions");
        return (codeLength, name, functions);
    }

    /// <summary>Whether a name can be written into the files of profilers and debuggers: a line each, so no control characters.</summary>
    public static bool IsName(ReadOnlySpan<char> name) => !name.IsEmpty
        && (name.Length <= MaximumNameBytes / 3 || Encoding.UTF8.GetByteCount(name) <= MaximumNameBytes) // a character takes three bytes at most
        && !name.ContainsAnyInRange('\0', '\x1F')
        && !name.ContainsAnyInRange('\x7F', '\x9F');

    private static int WriteName(Span<byte> table, int at, string? name)
    {
        if (name is null)
        {
            table[at] = 0;
            return at + 1;
        }

        if (name.Length < 0x80 / 3)
        {
            // Its count takes one byte whatever its characters are, so the name is gone through once.
            int bytes = Encoding.UTF8.GetBytes(name, table[(at + 1)..]);
            table[at] = (byte)bytes;
            return at + 1 + bytes;
        }

        at = WriteNumber(table, at, Encoding.UTF8.GetByteCount(name));
        return at + Encoding.UTF8.GetBytes(name, table[at..]);
    }

    private static int WriteNumber(Span<byte> table, int at, int number)
    {
        uint rest = (uint)number;
        while (rest >= 0x80)
        {
            table[at++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        table[at] = (byte)rest;
        return at + 1;
    }

    private static string? ReadName(ref ReadOnlySpan<byte> table)
    {
        int bytes = ReadNumber(ref table);
        Check(bytes >= 0 && bytes <= table.Length, "its table is cut off");
        string name = Encoding.UTF8.GetString(table[..bytes]);
        table = table[bytes..];
        Check(bytes == 0 || IsName(name), "a name in it is none");
        return bytes == 0 ? null : name;
    }

    private static int ReadNumber(ref ReadOnlySpan<byte> table)
    {
        ulong number = 0;
        for (int read = 0; read < NumberBytes; read++)
        {
            Check(!table.IsEmpty, "its table is cut off");
            byte next = table[0];
            table = table[1..];
            number |= (ulong)(next & 0x7F) << (7 * read);
            if (next < 0x80)
            {
                Check(number <= uint.MaxValue, "a number in its table is too large");
                return unchecked((int)(uint)number);
            }
        }

        Check(false, "a number in its table is too large");
        return 0;
    }

    private static void Check(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new CodeException(CodeFailure.WrongFormat, $"The file is not sealed code for this machine: {otherwise}.");
        }
    }
}
