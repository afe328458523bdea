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
/// <para>Table: the segment's name, then for each function its offset (4), its length (4) and its name. A name is a count of bytes (2) and UTF-8; no bytes are no name.</para>
/// </remarks>
internal static class CodeFile
{
    public const int MaximumNameBytes = 1024;
    private const int HeaderBytes = 40;
    private const ushort Version = 1;

    private static ReadOnlySpan<byte> Magic => "Crosscor"u8;

    /// <summary>EM_X86_64 and EM_AARCH64 of elf(5).</summary>
    public static ushort Machine => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (ushort)62 : (ushort)183;

    /// <summary>INT3 on x86-64 (one byte, so from any offset); UDF #0, four null bytes, on arm64. Both run into an exception when executed.</summary>
    public static byte Trap => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (byte)0xCC : (byte)0x00;

    public static int WholePages(int length) => checked(length + Environment.SystemPageSize - 1) / Environment.SystemPageSize * Environment.SystemPageSize;

    /// <summary>An upper bound for the size of the file.</summary>
    public static int Bound(int codeLength, int functions, int nameCharacters, string? segmentName) => WholePages(
        WholePages(codeLength) + HeaderBytes + 2 + (3 * (segmentName?.Length ?? 0)) + (functions * 10) + (3 * nameCharacters));

    /// <summary>Completes a buffer that begins with the code.</summary>
    /// <returns>The size of the file.</returns>
    public static int Complete(Span<byte> buffer, int codeLength, ReadOnlySpan<CodeFunction> functions, string? segmentName)
    {
        int pages = WholePages(codeLength);
        buffer[codeLength..pages].Fill(Trap);
        Span<byte> table = buffer[pages..];
        int at = WriteName(table, segmentName);
        foreach (CodeFunction function in functions)
        {
            BinaryPrimitives.WriteInt32LittleEndian(table[at..], function.Offset);
            BinaryPrimitives.WriteInt32LittleEndian(table[(at + 4)..], function.Length);
            at += 8 + WriteName(table[(at + 8)..], function.Name);
        }

        int size = WholePages(pages + at + HeaderBytes);
        Span<byte> header = buffer[(size - HeaderBytes)..size];
        buffer[(pages + at)..(size - HeaderBytes)].Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], Machine);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], Environment.SystemPageSize);
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
        int page = Environment.SystemPageSize;
        Check(file.Length >= 2 * page && file.Length % page == 0, "its size is not that of such a file");
        ReadOnlySpan<byte> header = file[^HeaderBytes..];
        Check(header[..8].SequenceEqual(Magic), "it does not end with the header of such a file");
        Check(BinaryPrimitives.ReadUInt16LittleEndian(header[8..]) == Version, "it has another version");
        Check(BinaryPrimitives.ReadUInt16LittleEndian(header[10..]) == Machine, "it is for another processor");
        Check(BinaryPrimitives.ReadInt32LittleEndian(header[12..]) == page, "it is for another page size");
        int codeLength = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        int pages = BinaryPrimitives.ReadInt32LittleEndian(header[20..]);
        int tableLength = BinaryPrimitives.ReadInt32LittleEndian(header[24..]);
        int count = BinaryPrimitives.ReadInt32LittleEndian(header[28..]);
        Check(codeLength > 0 && codeLength <= file.Length - page && pages == WholePages(codeLength), "its code does not fit into it");
        Check(tableLength >= 0 && tableLength <= file.Length - pages - HeaderBytes, "its table does not fit into it");
        Check(count >= 0 && count <= tableLength / 10, "its table does not hold that many functions");
        Check(file[codeLength..pages].IndexOfAnyExcept(Trap) < 0, "the bytes after its code do not trap");

        ReadOnlySpan<byte> table = file.Slice(pages, tableLength);
        string? name = ReadName(ref table);
        var functions = new CodeFunction[count];
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (int index = 0; index < count; index++)
        {
            Check(table.Length >= 8, "its table is cut off");
            int offset = BinaryPrimitives.ReadInt32LittleEndian(table);
            int length = BinaryPrimitives.ReadInt32LittleEndian(table[4..]);
            table = table[8..];
            Check(offset >= 0 && length > 0 && offset <= codeLength - length, $"function {index} lies outside of the code");
            string? functionName = ReadName(ref table);
            Check(functionName is null || names.Add(functionName), $"two functions are called '{functionName}'");
            functions[index] = new(functionName, offset, length);
        }

        Check(table.IsEmpty, "its table is longer than its functions");
        return (codeLength, name, functions);
    }

    /// <summary>Whether a name can be written into the files of profilers and debuggers: a line each, so no control characters.</summary>
    public static bool IsName(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty || Encoding.UTF8.GetByteCount(name) > MaximumNameBytes)
        {
            return false;
        }

        foreach (char character in name)
        {
            if (char.IsControl(character))
            {
                return false;
            }
        }

        return true;
    }

    private static int WriteName(Span<byte> at, string? name)
    {
        int bytes = Encoding.UTF8.GetBytes(name, at[2..]);
        BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)bytes);
        return 2 + bytes;
    }

    private static string? ReadName(ref ReadOnlySpan<byte> table)
    {
        Check(table.Length >= 2, "its table is cut off");
        int bytes = BinaryPrimitives.ReadUInt16LittleEndian(table);
        Check(bytes <= table.Length - 2, "its table is cut off");
        string name = Encoding.UTF8.GetString(table.Slice(2, bytes));
        table = table[(2 + bytes)..];
        Check(bytes == 0 || IsName(name), "a name in it is none");
        return bytes == 0 ? null : name;
    }

    private static void Check(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new CodeException(CodeFailure.WrongFormat, $"The file is not sealed code for this machine: {otherwise}.");
        }
    }
}
