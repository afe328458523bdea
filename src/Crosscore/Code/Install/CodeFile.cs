using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Crosscore.Isa;
using Crosscore.Linux;
using Crosscore.Sealing;

namespace Crosscore.Code;

/// <summary>
/// The format of a sealed file: the code, filled up to whole pages with instructions that trap; then, in pages that are
/// never mapped for execution, the table of functions; at the end this header. All numbers are little-endian.
/// </summary>
/// <remarks>
/// <para>Header, the last 40 bytes: "Crosscor" (8), version (2), ELF machine number (2), page size (4), bytes of code
/// (4), bytes of its pages (4), bytes of the table (4), functions (4), 8 bytes zero.</para>
/// <para>Table: the segment's name, then for each function how far it begins after the one before it (modulo 2^32: a
/// further entry point may begin before), its length and its name. A name is a count of bytes and UTF-8; no bytes are
/// no name. Numbers take 7 bits a byte, the lowest first, and the high bit says that another byte follows: with 64-byte
/// functions without names, 3 bytes a function.</para>
/// </remarks>
internal static class CodeFile
{
    public const int MaxNameBytes = 1024;

    /// <summary>Of a segment: the kernel allows 249 for a memory file, and "crosscore-code:" comes before it.</summary>
    public const int MaxSegmentNameBytes = 200;

    /// <summary>Bytes of UTF-8 of all functions' names together.</summary>
    public const int MaxNamesBytes = 32 << 20;

    public const int MaxFunctions = 1 << 20;

    private const int HeaderBytes = 40;
    private const int NumberBytes = 5; // at most

    private const int MaxTable = (MaxFunctions * 3 * NumberBytes) + MaxNamesBytes + MaxSegmentNameBytes + NumberBytes;
    private const ushort Version = 1;

    private static ReadOnlySpan<byte> Magic => "Crosscor"u8;

    /// <summary>
    /// An upper bound for the size of the file. The limits of code, functions and names keep it below 2^27.
    /// </summary>
    public static int Bound(int codeLength, int functions, int nameBytes, string? segmentName) =>
        Pages.RoundUp(
            Pages.RoundUp(codeLength)
                + HeaderBytes
                + NumberBytes
                + (3 * (segmentName?.Length ?? 0))
                + (functions * 3 * NumberBytes)
                + nameBytes
        );

    /// <summary>Completes a buffer that begins with the code.</summary>
    /// <returns>The size of the file.</returns>
    public static int Complete(
        Span<byte> buffer,
        int codeLength,
        ReadOnlySpan<CodeFunction> functions,
        string? segmentName
    )
    {
        int pages = Pages.RoundUp(codeLength);
        buffer[codeLength..pages].Fill(NativeIsa.Trap);
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

        int size = Pages.RoundUp(pages + at + HeaderBytes);
        Span<byte> header = buffer[(size - HeaderBytes)..size];
        buffer[(pages + at)..(size - HeaderBytes)].Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], NativeIsa.ElfMachine);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], Pages.Size);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], codeLength);
        BinaryPrimitives.WriteInt32LittleEndian(header[20..], pages);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], at);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], functions.Length);
        header[32..].Clear();
        return size;
    }

    /// <summary>Reads the header and what fills the last page of code, and nothing else.</summary>
    /// <exception cref="CodeException">It is no such file.</exception>
    public static Layout ReadLayout(SealedFile file)
    {
        CheckSize(file.Size);
        Span<byte> header = stackalloc byte[HeaderBytes];
        file.Read(header, file.Size - HeaderBytes);
        Layout layout = ParseHeader(header, file.Size);
        byte[] filling = new byte[layout.Pages - layout.CodeLength];
        file.Read(filling, layout.CodeLength);
        CheckTraps(filling);
        return layout;
    }

    /// <summary>Reads the table.</summary>
    /// <exception cref="CodeException">It is none.</exception>
    public static (string? Name, CodeFunction[] Functions) ReadTable(SealedFile file, in Layout layout)
    {
        int length = (int)(file.Size - layout.Pages) - HeaderBytes;
        byte[] table = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            file.Read(table.AsSpan(0, length), layout.Pages);
            return ParseTable(table.AsSpan(0, length), layout);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(table);
        }
    }

    private static void CheckSize(long size)
    {
        if (size > CodeWriter.MaxLength + Pages.RoundUp(MaxTable + HeaderBytes))
        {
            throw new CodeException(
                CodeFailure.WrongFormat,
                $"The file has {size} bytes, more than sealed code " + "ever has."
            );
        }

        Check(size >= 2 * Pages.Size && size % Pages.Size == 0, "its size is not that of such a file");
    }

    /// <summary>Every file has one header: what a field could say in several ways is refused but for one.</summary>
    private static Layout ParseHeader(ReadOnlySpan<byte> header, long size)
    {
        Check(header[..8].SequenceEqual(Magic), "it does not end with the header of such a file");
        Check(BinaryPrimitives.ReadUInt16LittleEndian(header[8..]) == Version, "it has another version");
        Check(
            BinaryPrimitives.ReadUInt16LittleEndian(header[10..]) == NativeIsa.ElfMachine,
            "it is for another processor"
        );
        Check(BinaryPrimitives.ReadInt32LittleEndian(header[12..]) == Pages.Size, "it is for another page size");
        int codeLength = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        int pages = BinaryPrimitives.ReadInt32LittleEndian(header[20..]);
        int tableLength = BinaryPrimitives.ReadInt32LittleEndian(header[24..]);
        int count = BinaryPrimitives.ReadInt32LittleEndian(header[28..]);
        Check(
            codeLength is > 0 and <= CodeWriter.MaxLength
                && codeLength <= size - Pages.Size
                && pages == Pages.RoundUp(codeLength),
            "its code does not fit into it"
        );
        Check(
            tableLength is >= 0 and <= MaxTable && size == Pages.RoundUp(pages + tableLength + HeaderBytes),
            "its table does not fit into it"
        );
        Check(
            count is >= 0 and <= MaxFunctions && count <= tableLength / 3,
            "its table does not hold that many functions"
        );
        Check(header[32..].IndexOfAnyExcept((byte)0) < 0, "its header does not end in zeros");
        return new(codeLength, pages, tableLength, count);
    }

    private static void CheckTraps(ReadOnlySpan<byte> filling) =>
        Check(filling.IndexOfAnyExcept(NativeIsa.Trap) < 0, "the bytes after its code do not trap");

    /// <summary>Formats no message before there is a reason to refuse: a table may have a million functions.</summary>
    private static (string? Name, CodeFunction[] Functions) ParseTable(
        ReadOnlySpan<byte> tableAndFilling,
        in Layout layout
    )
    {
        ReadOnlySpan<byte> table = tableAndFilling[..layout.TableLength];
        Check(
            tableAndFilling[layout.TableLength..].IndexOfAnyExcept((byte)0) < 0,
            "the bytes after its table are not zeros"
        );
        string? name = ReadName(ref table, MaxSegmentNameBytes, out _);
        var functions = new CodeFunction[layout.Functions];
        // As large as it may become: growing would copy it ten times. Three bytes a function leave no room for names.
        int mostNames = Math.Min(functions.Length, Math.Max(0, table.Length - (3 * functions.Length)));
        var names = new HashSet<string>(mostNames, StringComparer.Ordinal);
        int previous = 0;
        int namesBytes = 0;
        for (int index = 0; index < functions.Length; index++)
        {
            int offset = unchecked(previous + ReadNumber(ref table));
            int length = ReadNumber(ref table);
            if (offset < 0 || length <= 0 || offset > layout.CodeLength - length)
            {
                throw Wrong($"function {index} lies outside the code");
            }

            string? functionName = ReadName(ref table, MaxNameBytes, out int nameBytes);
            namesBytes += nameBytes;
            Check(namesBytes <= MaxNamesBytes, "its names are longer than those of sealed code ever are");
            if (functionName is not null && !names.Add(functionName))
            {
                throw Wrong($"two functions are called '{functionName}'");
            }

            functions[index] = new(functionName, offset, length);
            previous = offset;
        }

        Check(table.IsEmpty, "its table is longer than its functions");
        return (name, functions);
    }

    /// <summary>
    /// Whether a name can be written into the files of profilers and debuggers and shown on a terminal, where it takes
    /// one line and controls nothing: whole characters only, none that control, direct or separate text (Unicode's
    /// categories Cc, Cf, Zl and Zp), none for private use or without a meaning (Co, Cn), none that is shown as nothing
    /// (Default_Ignorable_Code_Point). It does not check which character a name resembles: blanks, look-alikes and
    /// names such as "[heap]" are names, and letters that are written from right to left change the order of digits
    /// beside them.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="bytes">Its length in UTF-8.</param>
    public static bool IsName(ReadOnlySpan<char> name, out int bytes)
    {
        bytes = name.Length;
        if (!name.ContainsAnyExceptInRange(' ', '~'))
        {
            return name.Length is > 0 and <= MaxNameBytes;
        }

        bytes = 0;
        while (!name.IsEmpty)
        {
            if (
                Rune.DecodeFromUtf16(name, out Rune rune, out int read) != OperationStatus.Done
                || Rune.GetUnicodeCategory(rune)
                    is UnicodeCategory.Control
                        or UnicodeCategory.Format
                        or UnicodeCategory.LineSeparator
                        or UnicodeCategory.ParagraphSeparator
                        or UnicodeCategory.PrivateUse
                        or UnicodeCategory.OtherNotAssigned
                || IsInvisible(rune.Value)
            )
            {
                return false;
            }

            bytes += rune.Utf8SequenceLength;
            name = name[read..];
            if (bytes > MaxNameBytes)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The characters of other categories that are shown as nothing. Source: DerivedCoreProperties.txt of Unicode,
    /// Default_Ignorable_Code_Point; and the Braille pattern without a dot.
    /// </summary>
    private static bool IsInvisible(int character) =>
        character
            is 0x034F
                or 0x115F
                or 0x1160
                or 0x17B4
                or 0x17B5
                or (>= 0x180B and <= 0x180F)
                or 0x2800
                or 0x3164
                or (>= 0xFE00 and <= 0xFE0F)
                or 0xFFA0
                or (>= 0xE0000 and <= 0xE0FFF);

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

    private static string? ReadName(ref ReadOnlySpan<byte> table, int most, out int bytes)
    {
        bytes = ReadNumber(ref table);
        Check(bytes >= 0 && bytes <= table.Length, "its table is cut off");
        if (bytes == 0)
        {
            return null;
        }

        Check(bytes <= most, "a name in it is too long");
        ReadOnlySpan<byte> raw = table[..bytes];
        table = table[bytes..];
        Check(!raw.ContainsAnyExceptInRange((byte)' ', (byte)'~') || Utf8.IsValid(raw), "a name in it is no UTF-8");
        string name = Encoding.UTF8.GetString(raw);
        Check(IsName(name, out _), "a name in it is none");
        return name;
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
                Check(next != 0 || read == 0, "a number in its table has more bytes than it needs");
                return unchecked((int)(uint)number);
            }
        }

        throw Wrong("a number in its table is too large");
    }

    private static void Check(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw Wrong(otherwise);
        }
    }

    private static CodeException Wrong(string reason) =>
        new(CodeFailure.WrongFormat, $"The file is not sealed " + $"code for this machine: {reason}.");

    /// <summary>What the header says, checked.</summary>
    /// <param name="CodeLength">Bytes of code.</param>
    /// <param name="Pages">Bytes of its pages.</param>
    /// <param name="TableLength">Bytes of the table, which begins there.</param>
    /// <param name="Functions">How many it has.</param>
    public readonly record struct Layout(int CodeLength, int Pages, int TableLength, int Functions);
}
