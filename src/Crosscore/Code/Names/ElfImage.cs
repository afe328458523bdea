using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Crosscore.Isa;

namespace Crosscore.Code;

/// <summary>
/// Two small ELF files, written byte by byte: the symbols of a segment for a debugger, and a library that the dynamic
/// loader takes. Source: elf(5); the structures are those of 64-bit ELF.
/// </summary>
internal static class ElfImage
{
    private const uint ProgBits = 1;
    private const uint SymbolTable = 2;
    private const uint StringTable = 3;
    private const uint Hash = 5;
    private const uint Dynamic = 6;
    private const uint NoBits = 8;
    private const uint DynamicSymbols = 11;
    private const ulong Writable = 1;
    private const ulong Allocated = 2;
    private const ulong Executable = 4;

    /// <summary>STB_GLOBAL with STT_FUNC or STT_OBJECT.</summary>
    private const byte GlobalFunction = 0x12;
    private const byte GlobalObject = 0x11;

    private static readonly int HeaderSize = Unsafe.SizeOf<Header>();

    /// <summary>
    /// Writes an executable file that consists of names: its one section of code lies where the segment lies and has no
    /// bytes, because gdb reads those from the process.
    /// </summary>
    public static byte[] SymbolsOf(CodeSegment segment)
    {
        var strings = new Strings();
        var symbols = new List<Symbol>(segment.Functions.Count(function => function.Name is not null) + 1) { default };
        foreach (CodeFunction function in segment.Published())
        {
            ulong address = (ulong)(segment.Address + function.Offset);
            symbols.Add(new Symbol(strings.Add(function.Name!), GlobalFunction, 1, address, (ulong)function.Length));
        }

        var file = new Writer(HeaderSize);
        var sections = new List<Section>
        {
            default,
            new(
                ".text",
                NoBits,
                Allocated | Executable,
                (ulong)segment.Address,
                (ulong)HeaderSize,
                (ulong)segment.Length,
                0,
                0,
                64,
                0
            ),
            file.Add(
                ".symtab",
                SymbolTable,
                0,
                MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(symbols)),
                link: 3,
                info: 1,
                entry: 24
            ),
            file.Add(".strtab", StringTable, 0, strings.Bytes),
        };
        return file.Finish(type: 2, sections, []); // ET_EXEC: symbols have addresses, not offsets
    }

    /// <summary>
    /// Writes a shared library with a function that returns at once, <c>__jit_debug_register_code</c>, and 24 writable
    /// bytes, <c>__jit_debug_descriptor</c>, which begin with version 1. Two pages: the first is read and executed, the
    /// second read and written.
    /// </summary>
    /// <param name="page">The size of a page.</param>
    /// <param name="returns">The function's code.</param>
    public static byte[] JitInterfaceLibrary(int page, ReadOnlySpan<byte> returns)
    {
        var strings = new Strings();
        uint function = strings.Add("__jit_debug_register_code");
        uint descriptor = strings.Add("__jit_debug_descriptor");
        uint name = strings.Add("crosscore-jit-names");
        var file = new Writer(HeaderSize + (4 * Unsafe.SizeOf<Segment>()));

        ulong text = file.Position;
        Section textSection = file.Add(".text", ProgBits, Allocated | Executable, returns);
        ulong descriptorAt = (ulong)page + 0x200; // behind the dynamic section, which is less than that
        Symbol[] symbols =
        [
            default,
            new(function, GlobalFunction, 1, text, (ulong)returns.Length),
            new(descriptor, GlobalObject, 6, descriptorAt, 24),
        ];
        Section symbolSection = file.Add(
            ".dynsym",
            DynamicSymbols,
            Allocated,
            MemoryMarshal.AsBytes(symbols.AsSpan()),
            link: 3,
            info: 1,
            entry: 24
        );
        Section stringSection = file.Add(".dynstr", StringTable, Allocated, strings.Bytes);

        // One bucket, which holds a chain of all symbols: symbol 1, then symbol 2, then the end.
        Section hashSection = file.Add(
            ".hash",
            Hash,
            Allocated,
            MemoryMarshal.AsBytes<uint>([1, 3, 1, 0, 2, 0]),
            link: 2,
            entry: 4
        );
        ulong firstPageEnd = file.Position;
        file.PadTo(page);
        Section dynamicSection = AddDynamic(file, name, hashSection, stringSection, symbolSection);
        file.PadTo((int)descriptorAt);
        Section dataSection = file.Add(
            ".data",
            ProgBits,
            Allocated | Writable,
            MemoryMarshal.AsBytes<ulong>([1, 0, 0])
        );
        ulong dataSize = file.Position - (ulong)page;
        return file.Finish(
            type: 3,
            [default, textSection, symbolSection, stringSection, hashSection, dynamicSection, dataSection],
            [
                new(1, 5, 0, firstPageEnd, (ulong)page), // PT_LOAD, readable and executable
                new(1, 6, (ulong)page, dataSize, (ulong)page), // PT_LOAD, readable and writable
                new(2, 6, dynamicSection.Offset, dynamicSection.Size, 8), // PT_DYNAMIC
                new(0x6474E551, 6, 0, 0, 16), // PT_GNU_STACK: not executable
            ]
        );
    }

    private static Section AddDynamic(Writer file, uint name, in Section hash, in Section strings, in Section symbols)
    {
        ulong[] dynamic =
        [
            14,
            name, // DT_SONAME
            4,
            hash.Offset, // DT_HASH
            5,
            strings.Offset, // DT_STRTAB
            6,
            symbols.Offset, // DT_SYMTAB
            10,
            strings.Size, // DT_STRSZ
            11,
            24, // DT_SYMENT
            0,
            0,
        ];
        return file.Add(
            ".dynamic",
            Dynamic,
            Allocated | Writable,
            MemoryMarshal.AsBytes(dynamic.AsSpan()),
            link: 3,
            entry: 16
        );
    }

    private sealed class Strings
    {
        private readonly List<byte> _bytes = [0];

        public ReadOnlySpan<byte> Bytes => CollectionsMarshal.AsSpan(_bytes);

        public uint Add(string text)
        {
            uint at = (uint)_bytes.Count;
            CollectionsMarshal.SetCount(_bytes, (int)at + Encoding.UTF8.GetByteCount(text) + 1);
            Span<byte> added = CollectionsMarshal.AsSpan(_bytes)[(int)at..];
            _ = Encoding.UTF8.GetBytes(text, added);
            added[^1] = 0;
            return at;
        }
    }

    private readonly record struct Section(
        string Name,
        uint Type,
        ulong Flags,
        ulong Address,
        ulong Offset,
        ulong Size,
        uint Link,
        uint Info,
        ulong Alignment,
        ulong Entry
    );

    /// <summary>Lays pieces one behind the other; an allocated one has its offset as its address.</summary>
    private sealed class Writer
    {
        private readonly List<byte> _bytes = [];

        public Writer(int headers) => PadTo(headers);

        public ulong Position => (ulong)_bytes.Count;

        public void PadTo(int position)
        {
            int before = _bytes.Count;
            CollectionsMarshal.SetCount(_bytes, position);
            CollectionsMarshal.AsSpan(_bytes)[before..].Clear();
        }

        public Section Add(
            string name,
            uint type,
            ulong flags,
            ReadOnlySpan<byte> content,
            uint link = 0,
            uint info = 0,
            ulong entry = 0
        )
        {
            PadTo((_bytes.Count + 15) & -16);
            ulong offset = Position;
            _bytes.AddRange(content);
            return new Section(
                name,
                type,
                flags,
                (flags & Allocated) != 0 ? offset : 0,
                offset,
                (ulong)content.Length,
                link,
                info,
                16,
                entry
            );
        }

        public byte[] Finish(ushort type, List<Section> sections, ReadOnlySpan<Segment> segments)
        {
            var names = new Strings();
            uint[] nameOffsets =
            [
                .. sections.Select(section => section.Name is null ? 0 : names.Add(section.Name)),
                names.Add(".shstrtab"),
            ];
            sections.Add(Add(".shstrtab", StringTable, 0, names.Bytes));
            PadTo((_bytes.Count + 15) & -16);
            ulong sectionsAt = Position;
            for (int index = 0; index < sections.Count; index++)
            {
                Section section = sections[index];
                SectionHeader[] header =
                [
                    new(
                        nameOffsets[index],
                        section.Type,
                        section.Flags,
                        section.Address,
                        section.Offset,
                        section.Size,
                        section.Link,
                        section.Info,
                        section.Alignment,
                        section.Entry
                    ),
                ];
                _bytes.AddRange(MemoryMarshal.AsBytes(header.AsSpan()));
            }

            byte[] file = [.. _bytes];
            var first = new Header
            {
                Identity = 0x00010102_464C457F, // 0x7F "ELF", 64 bits, little endian, version 1, System V
                Type = type,
                Machine = NativeIsa.ElfMachine,
                Version = 1,
                SegmentsAt = segments.IsEmpty ? 0 : (ulong)HeaderSize,
                SectionsAt = sectionsAt,
                HeaderSize = (ushort)HeaderSize,
                SegmentSize = (ushort)Unsafe.SizeOf<Segment>(),
                Segments = (ushort)segments.Length,
                SectionSize = (ushort)Unsafe.SizeOf<SectionHeader>(),
                Sections = (ushort)sections.Count,
                NameSection = (ushort)(sections.Count - 1),
            };
            MemoryMarshal.Write(file, in first);
            MemoryMarshal.AsBytes(segments).CopyTo(file.AsSpan(HeaderSize));
            return file;
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public ulong Identity;
        public ulong Padding;
        public ushort Type;
        public ushort Machine;
        public uint Version;
        public ulong Entry;
        public ulong SegmentsAt;
        public ulong SectionsAt;
        public uint Flags;
        public ushort HeaderSize;
        public ushort SegmentSize;
        public ushort Segments;
        public ushort SectionSize;
        public ushort Sections;
        public ushort NameSection;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Segment(uint type, uint flags, ulong offset, ulong size, ulong alignment)
    {
        public readonly uint Type = type;
        public readonly uint Flags = flags;
        public readonly ulong Offset = offset;
        public readonly ulong Address = offset;
        public readonly ulong PhysicalAddress = offset;
        public readonly ulong FileSize = size;
        public readonly ulong MemorySize = size;
        public readonly ulong Alignment = alignment;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct SectionHeader(
        uint name,
        uint type,
        ulong flags,
        ulong address,
        ulong offset,
        ulong size,
        uint link,
        uint info,
        ulong alignment,
        ulong entry
    )
    {
        public readonly uint Name = name;
        public readonly uint Type = type;
        public readonly ulong Flags = flags;
        public readonly ulong Address = address;
        public readonly ulong Offset = offset;
        public readonly ulong Size = size;
        public readonly uint Link = link;
        public readonly uint Info = info;
        public readonly ulong Alignment = alignment;
        public readonly ulong Entry = entry;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Symbol(uint name, byte info, ushort section, ulong value, ulong size)
    {
        public readonly uint Name = name;
        public readonly byte Info = info;
        public readonly byte Other = 0;
        public readonly ushort Section = section;
        public readonly ulong Value = value;
        public readonly ulong Size = size;
    }
}
