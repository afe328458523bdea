using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Crosscore.Code;
using Crosscore.Isa;
using Crosscore.Linux;
using Crosscore.Sealing;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;
using Microsoft.Win32.SafeHandles;
using static Crosscore.Linux.Memfd;

namespace Crosscore.Tests;

/// <summary>
/// Files that are sealed, well-formed and made by an enemy: what they cost, what they may be called, and what is
/// refused.
/// </summary>
public sealed partial class HostileTableTests
{
    private const int O_WRONLY = 1;
    private const uint HugePages = 0x0004; // MFD_HUGETLB

    private static readonly int Page = Environment.SystemPageSize;

    /// <summary>
    /// Three bytes a function without a name, six with the shortest: published as the segment's name and an offset,
    /// such a table made 135 MiB.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_table_of_404_KiB_makes_less_than_a_mebibyte_of_names_and_16_of_memory(bool named)
    {
        const int Table = 404 * 1024;
        int count = named ? Table / 7 : Table / 3;
        byte[] table = Functions(count, segment: new string('n', 200), named);
        Assert.InRange(table.Length, 1, Table + 202);
        using SafeFileHandle file = MemoryFile(FileOf(4, table, count));
        using var sink = new Counting();
        CodeTransfer.Import(file).Dispose(); // Compiled now, and not among what is counted.
        long before = GC.GetAllocatedBytesForCurrentThread();
        using (SealedCode code = CodeTransfer.Import(file))
        using (InstalledCode installed = code.Install())
        {
            Assert.Equal(count, code.Functions.Count);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < 16 << 20, $"{allocated} bytes were allocated.");
        Assert.InRange(sink.Bytes, 1, named ? 2 << 20 : (1 << 20) - 1);
        Assert.InRange(sink.SymbolBytes, 1, 4 << 20);
    }

    /// <summary>A program gets one exception for little memory, whichever part of installing needs it.</summary>
    [Fact]
    public void Too_little_managed_memory_for_names_is_a_CodeException_and_nothing_stays()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using var sink = new Starving();
        CodeException refusal = Assert.Throws<CodeException>(() => code.Install());
        Assert.Equal(CodeFailure.OutOfMemory, refusal.Failure);
        _ = Assert.IsType<OutOfMemoryException>(refusal.InnerException);
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64)
        {
            refusal = Assert.Throws<CodeException>(() => LiveCode.Install(MachineCode.Return42));
            Assert.Equal(CodeFailure.OutOfMemory, refusal.Failure);
        }
    }

    [Fact]
    public void Honest_segments_are_published_function_by_function()
    {
        var writer = new Crosscore.Code.CodeWriter("honest");
        for (int index = 0; index < 5000; index++)
        {
            _ = writer.Append(MachineCode.Return42, $"function_with_a_name_of_some_length_{index}");
        }

        using var sink = new Counting();
        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();
        Assert.Equal(5000, sink.Entries);
    }

    [Fact]
    public void What_can_be_sealed_can_be_imported_and_the_rest_is_refused_where_it_is_added()
    {
        var writer = new Crosscore.Code.CodeWriter();
        int added = 0;
        string filling = new('x', 1000);
        CodeException refusal = Assert.Throws<CodeException>(() =>
        {
            for (; added < 140_000; added++)
            {
                _ = writer.Append(
                    [0xC3],
                    filling + added.ToString("x", System.Globalization.CultureInfo.InvariantCulture),
                    1
                );
            }
        });
        Assert.Contains("Install several segments", refusal.Message, StringComparison.Ordinal);
        Assert.Equal((added, added), (writer.Length, writer.Functions.Count)); // Nothing of the one that was refused.
        using SealedCode sealedCode = writer.Seal();
        Assert.Equal(32, sealedCode.Digest().Length);
        using SealedCode imported = CodeTransfer.Import(sealedCode.File);
        Assert.Equal(added, imported.Functions.Count);
    }

    [Fact]
    public void More_functions_than_a_segment_has_are_refused_where_they_are_added()
    {
        var writer = new Crosscore.Code.CodeWriter();
        for (int index = 0; index < Crosscore.Code.CodeWriter.MaxFunctions; index++)
        {
            _ = writer.Append([0xC3], alignment: 1);
        }

        _ = Assert.Throws<CodeException>(() => writer.Append([0xC3], alignment: 1));
        _ = Assert.Throws<CodeException>(() => writer.AddEntryPoint("one", 0));
        using SealedCode code = writer.Seal();
        using SealedCode imported = CodeTransfer.Import(code.File);
        Assert.Equal(Crosscore.Code.CodeWriter.MaxFunctions, imported.Functions.Count);
    }

    /// <summary>Sealed files of 128 MiB under 1 GiB of managed memory: accepted, or refused as documented.</summary>
    [Fact]
    public void With_little_memory_only_documented_exceptions_leave_Import()
    {
        ChildResult result = ChildProcess.RunThisProgram(
            Child.ImportUnderHeapLimit,
            null,
            ("DOTNET_GCHeapHardLimit", "0x40000000")
        );
        Assert.True(result.Status == 0, result.Errors);
        Assert.Equal(
            ["WrongFormat", "WrongFormat", "WrongFormat", "accepted"],
            result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        );
    }

    internal static int ImportUnderHeapLimit()
    {
        const int Table = (128 << 20) - 8192;
        foreach (
            Func<SafeFileHandle> make in (Func<SafeFileHandle>[])
                [
                    () => MemoryFile(FileOf(4, Functions((Table - 8192) / 3, null), (Table - 8192) / 3)),
                    () => MemoryFile(FileOf(4, Functions(16_000_000, null, named: true), 16_000_000)),
                    () => Sparse(128 << 20),
                    () => MemoryFile(FileOf(4, Functions(1_000_000, null, named: true), 1_000_000)),
                ]
        )
        {
            using SafeFileHandle file = make();
            GC.Collect();
            try
            {
                using SealedCode code = CodeTransfer.Import(file);
                Console.WriteLine("accepted");
            }
            catch (CodeException refusal)
            {
                Console.WriteLine(refusal.Failure);
            }
        }

        return 0;
    }

    [Fact]
    public void A_descriptor_that_is_open_for_writing_only_is_refused_as_documented()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        int writeOnly = Open($"/proc/self/fd/{code.File.DangerousGetHandle()}", O_WRONLY);
        Assert.SkipWhen(writeOnly < 0, "This kernel does not open a sealed file for writing.");
        using var file = new SafeFileHandle(writeOnly, ownsHandle: true);
        Assert.Equal(CodeFailure.WrongFormat, Assert.Throws<CodeException>(() => CodeTransfer.Import(file)).Failure);
    }

    [Fact]
    public void A_descriptor_that_is_none_is_refused_as_documented()
    {
        using var minusOne = new SafeFileHandle(-1, ownsHandle: false);
        using var notOpen = new SafeFileHandle(1 << 19, ownsHandle: false);
        Assert.Equal(CodeFailure.NotSealed, Assert.Throws<CodeException>(() => CodeTransfer.Import(minusOne)).Failure);
        Assert.Equal(CodeFailure.NotSealed, Assert.Throws<CodeException>(() => CodeTransfer.Import(notOpen)).Failure);
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        SafeFileHandle closed = code.Export();
        closed.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(() => CodeTransfer.Import(closed));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_descriptor_that_was_replaced_after_it_was_verified_is_not_installed(bool bySealedFile)
    {
        using SealedCode verified = SealedCode.Seal(MachineCode.Return42);
        using SafeFileHandle handedOver = verified.Export();
        using SealedCode imported = CodeTransfer.Import(handedOver);
        byte[] other = FileOf(1, Functions(1, null), 1);
        using SafeFileHandle replacement = bySealedFile ? MemoryFile(other) : MemoryFile(other, 0);
        Assert.True(Dup2((int)replacement.DangerousGetHandle(), (int)imported.File.DangerousGetHandle()) >= 0);
        Assert.Equal(CodeFailure.NotSealed, Assert.Throws<CodeException>(() => imported.Install()).Failure);
        Assert.Equal(CodeFailure.NotSealed, Assert.Throws<CodeException>(() => imported.Export()).Failure);
        Assert.Equal(CodeFailure.NotSealed, Assert.Throws<CodeException>(imported.Digest).Failure);
    }

    /// <summary>
    /// Such a file takes the same seals; its pages of 2 MiB are mapped whole, whatever was verified of them.
    /// </summary>
    [Fact]
    public void A_memory_file_of_huge_pages_is_refused()
    {
        int descriptor = Create("huge"u8, MFD_ALLOW_SEALING | HugePages);
        Assert.SkipWhen(descriptor < 0, "This kernel has no huge pages.");
        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        Assert.Equal(0, Truncate(descriptor, 2 << 20));
        Assert.Equal(0, AddSeals(descriptor, SealedFile.FinalSeals));
        CodeException refusal = Assert.Throws<CodeException>(() => CodeTransfer.Import(file));
        Assert.Contains("huge pages", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Errno.ENOENT, CodeFailure.MemoryFileRefused, "/proc")]
    [InlineData(Errno.EFBIG, CodeFailure.OutOfMemory, "RLIMIT_FSIZE")]
    [InlineData(Errno.EINTR, CodeFailure.MemoryFileRefused, "signal")]
    public void A_refusal_of_the_system_names_its_cause(int errno, CodeFailure failure, string cause)
    {
        CodeException refusal = CodeRefusal.MemoryFile("a call", errno);
        Assert.Equal(failure, refusal.Failure);
        Assert.Contains(cause, refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>Which process kept it from being opened, for kernels that map it through no other descriptor.</summary>
    [Fact]
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    public void A_mapping_that_is_refused_because_of_another_process_says_so()
    {
        using var file = new SafeFileHandle(Create("mode"u8, MFD_ALLOW_SEALING), ownsHandle: true);
        int descriptor = (int)file.DangerousGetHandle();
        Assert.Null(Sealing.MemoryFile.KeptFromReading(descriptor, Errno.EACCES)); // Its mode lets us: a sandbox.
        Assert.Equal(CodeFailure.NotSealed, Sealing.MemoryFile.KeptFromReading(descriptor, Errno.EAGAIN)!.Failure);
        File.SetUnixFileMode(file, UnixFileMode.None);
        Assert.Equal(CodeFailure.NotSealed, Sealing.MemoryFile.KeptFromReading(descriptor, Errno.EACCES)!.Failure);
    }

    [Fact]
    public void A_writable_mapping_of_another_process_is_named_as_the_cause()
    {
        using var file = new SafeFileHandle(Create("mapped"u8, MFD_ALLOW_SEALING), ownsHandle: true);
        RandomAccess.Write(file, new byte[Page], 0);
        nint mapped = Mapping.Map(
            (nuint)Page,
            Mapping.PROT_READ | Mapping.PROT_WRITE,
            Mapping.MAP_SHARED,
            (int)file.DangerousGetHandle()
        );
        int answer = AddSeals((int)file.DangerousGetHandle(), SealedFile.FinalSeals);
        Assert.Equal(-Errno.EBUSY, answer);
        CodeException refusal = CodeRefusal.MemoryFile("fcntl(F_ADD_SEALS)", -answer);
        Assert.Equal(CodeFailure.NotSealed, refusal.Failure);
        Assert.Contains("writable mapping", refusal.Message, StringComparison.Ordinal);
        _ = Mapping.Unmap(mapped, (nuint)Page);
    }

    [Theory]
    [InlineData("a\u202Eb")] // Right-to-left override: what follows is shown backwards.
    [InlineData("a\u2066b")]
    [InlineData("a\u200Fb")]
    [InlineData("a\u2028b")]
    [InlineData("a\u2029b")]
    [InlineData("a\u00ADb")]
    [InlineData("a\u001Bb")]
    [InlineData("a\u009Bb")]
    [InlineData("a\U000E0041b")] // An invisible tag.
    [InlineData("a\uFEFFb")]
    [InlineData("a\uFFFEb")] // No character, and none can become one.
    [InlineData("a\uE000b")] // Private use: anything.
    [InlineData("a\u3164b")] // Invisible fillers.
    [InlineData("a\u115Fb")]
    [InlineData("a\uFFA0b")]
    [InlineData("a\u034Fb")]
    [InlineData("a\uFE0Fb")] // Selectors of a variation.
    [InlineData("a\u180Bb")]
    [InlineData("a\u17B4b")]
    [InlineData("a\U000E0100b")]
    [InlineData("a~b")] // Half of a character, which no attribute can hold.
    public void A_name_that_controls_the_text_around_it_is_none(string name)
    {
        bool isHalf = name.Contains('~', StringComparison.Ordinal);
        name = name.Replace('~', '\uD800');
        _ = Assert.Throws<ArgumentException>(nameof(name), () => new Crosscore.Code.CodeWriter(name));
        _ = Assert.Throws<ArgumentException>(nameof(name), () => new Crosscore.Code.CodeWriter().Append([0xC3], name));
        byte[] utf8 = isHalf ? [(byte)'a', 0xED, 0xA0, 0x80] : Encoding.UTF8.GetBytes(name);
        _ = Refused(FileOf(1, [.. Name(utf8), 0, 1, 0], 1));
        _ = Refused(FileOf(1, [0, 0, 1, .. Name(utf8)], 1));
    }

    [Fact]
    public void Names_of_every_language_are_names()
    {
        foreach (string name in new[] { "λ", "日本語", "naïve", "a/b c", "😀", "std::vector<int>::push_back(int&&)" })
        {
            var writer = new Crosscore.Code.CodeWriter(name);
            _ = writer.Append(MachineCode.Return42, name);
            using SealedCode code = writer.Seal();
            using SealedCode imported = CodeTransfer.Import(code.File);
            Assert.Equal((name, name), (imported.Name, imported.Functions[0].Name));
        }
    }

    [Fact]
    public void A_meaning_has_one_file()
    {
        byte[] right = FileOf(1, [0, 0, 1, 0], 1);
        CodeTransfer.Import(MemoryFile(right)).Dispose();
        _ = Refused(FileOf(1, [0, 0x80, 0x00, 1, 0], 1)); // The number 0 in two bytes.
        _ = Refused(FileOf(1, [0, 0, 1, 2, 0xC3, 0x28], 1)); // No UTF-8.
        _ = Refused(FileOf(1, [.. Name(new byte[201].Select(_ => (byte)'n')), 0, 1, 0], 1)); // The segment's name.
        byte[] junk = [.. right];
        junk[Page + 100] = 1; // Between table and header.
        _ = Refused(junk);
        byte[] zeros = [.. right];
        zeros[^1] = 1; // The header's last bytes.
        _ = Refused(zeros);
        _ = Refused([.. right[..^40], .. new byte[Page], .. right[^40..]]); // A page too many.
    }

    /// <summary>
    /// Every damage is refused for its format, or describes functions inside of the code and survives another round.
    /// </summary>
    [Fact]
    public void Damaged_files_are_refused_or_harmless()
    {
        var random = new Random(20261130);
        var writer = new Crosscore.Code.CodeWriter("fuzz");
        for (int index = 0; index < 40; index++)
        {
            byte[] code = new byte[1 + random.Next(300)];
            random.NextBytes(code);
            _ = writer.Append(code, index % 3 == 0 ? null : $"f{index}");
        }

        using SealedCode original = writer.Seal();
        byte[] content = new byte[RandomAccess.GetLength(original.File)];
        _ = RandomAccess.Read(original.File, content, 0);
        int table = Pages.RoundUp(original.Length);
        int descriptors = Copies();
        int refused = 0;
        int accepted = 0;
        for (int round = 0; round < 4000; round++)
        {
            byte[] damaged = Damage(random, content, table);
            try
            {
                using SafeFileHandle file = MemoryFile(damaged);
                using SealedCode code = CodeTransfer.Import(file);
                AssertInside(code);
                accepted++;
                if (accepted % 50 == 1)
                {
                    using InstalledCode installed = code.Install();
                    Assert.Equal(code.Functions, installed.Functions);
                }
            }
            catch (CodeException refusal)
            {
                Assert.Equal(CodeFailure.WrongFormat, refusal.Failure);
                refused++;
            }
        }

        Assert.True(
            refused > 200 && accepted > 50,
            $"{refused} refused, {accepted} accepted: the damage is not " + "mixed."
        );
        Assert.InRange(Copies(), 0, descriptors); // What another test left may have been finalized by now.

        static int Copies() =>
            Directory
                .GetFiles("/proc/self/fd")
                .Count(link => new FileInfo(link).LinkTarget?.Contains("memfd:test", StringComparison.Ordinal) == true);
    }

    internal static void AssertInside(SealedCode code) =>
        Assert.All(
            code.Functions,
            function =>
                Assert.True(
                    function.Offset >= 0
                        && function.Length > 0
                        && (long)function.Offset + function.Length <= code.Length
                )
        );

    private static byte[] Damage(Random random, byte[] content, int table)
    {
        byte[] damaged = [.. content];
        for (int changes = 1 + random.Next(4); changes > 0; changes--)
        {
            int at = random.Next(4) switch
            {
                0 => content.Length - 1 - random.Next(40), // the header
                1 => random.Next(content.Length),
                _ => table + random.Next(200),
            };
            damaged[at] = random.Next(3) switch
            {
                0 => (byte)random.Next(256),
                1 => (byte)(damaged[at] ^ (1 << random.Next(8))),
                _ => (byte)(damaged[at] + 1),
            };
        }

        return random.Next(50) == 0 ? damaged[..(random.Next(1, damaged.Length / Page + 1) * Page)] : damaged;
    }

    private static CodeException Refused(byte[] content)
    {
        using SafeFileHandle file = MemoryFile(content);
        CodeException refusal = Assert.Throws<CodeException>(() => CodeTransfer.Import(file));
        Assert.Equal(CodeFailure.WrongFormat, refusal.Failure);
        return refusal;
    }

    private static IEnumerable<byte> Name(IEnumerable<byte> utf8)
    {
        byte[] bytes = [.. utf8];
        return bytes.Length < 0x80
            ? [(byte)bytes.Length, .. bytes]
            : [(byte)(bytes.Length | 0x80), (byte)(bytes.Length >> 7), .. bytes];
    }

    /// <summary>A table: the segment's name and functions of one byte, all at the start of the code.</summary>
    private static byte[] Functions(int count, string? segment, bool named = false)
    {
        using var table = new MemoryStream();
        table.Write(segment is null ? [0] : [.. Name(Encoding.UTF8.GetBytes(segment))]);
        Span<byte> entry = stackalloc byte[16];
        for (int index = 0; index < count; index++)
        {
            entry[0] = 0;
            entry[1] = 1;
            entry[2] = 0;
            int length = 3;
            if (named)
            {
                _ = index.TryFormat(entry[3..], out int digits, "x", System.Globalization.CultureInfo.InvariantCulture);
                entry[2] = (byte)digits;
                length += digits;
            }

            table.Write(entry[..length]);
        }

        return table.ToArray();
    }

    /// <summary>A sealed file as the library lays it out: code that returns, the table, the header.</summary>
    private static byte[] FileOf(int codeLength, ReadOnlySpan<byte> table, int functions)
    {
        int pages = Pages.RoundUp(codeLength);
        int size = Pages.RoundUp(pages + table.Length + 40);
        byte[] file = new byte[size];
        file.AsSpan(0, codeLength).Fill(0xC3);
        file.AsSpan(codeLength, pages - codeLength).Fill(NativeIsa.Trap);
        table.CopyTo(file.AsSpan(pages));
        Span<byte> header = file.AsSpan(size - 40);
        "Crosscor"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], 1);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], NativeIsa.ElfMachine);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], Page);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], codeLength);
        BinaryPrimitives.WriteInt32LittleEndian(header[20..], pages);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], table.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], functions);
        return file;
    }

    private static SafeFileHandle MemoryFile(byte[] content, int seals = SealedFile.FinalSeals)
    {
        var file = new SafeFileHandle(Create("test"u8, MFD_ALLOW_SEALING), ownsHandle: true);
        RandomAccess.Write(file, content, 0);
        Assert.True(AddSeals((int)file.DangerousGetHandle(), seals) >= 0);
        return file;
    }

    private static SafeFileHandle Sparse(long size)
    {
        var file = new SafeFileHandle(Create("sparse"u8, MFD_ALLOW_SEALING), ownsHandle: true);
        Assert.Equal(0, Truncate((int)file.DangerousGetHandle(), size));
        Assert.True(AddSeals((int)file.DangerousGetHandle(), SealedFile.FinalSeals) >= 0);
        return file;
    }

    /// <summary>Counts what perf and gdb would be given of what is installed while it lives.</summary>
    private sealed class Counting : INameSink, IDisposable
    {
        private bool _ended;

        public Counting() => CodeRegistry.Attach(this);

        public bool Writes => true;

        public long Bytes { get; private set; }

        public long SymbolBytes { get; private set; }

        public int Entries { get; private set; }

        public void Added(CodeSegment segment)
        {
            if (!_ended && segment.Functions.Length > 1000)
            {
                Entries = segment.Published().Count();
                SymbolBytes = ElfImage.SymbolsOf(segment).Length;
            }
        }

        public void Removed(CodeSegment segment) { }

        public void Write(CodeSegment segment)
        {
            if (!_ended && segment.Functions.Length > 1000)
            {
                Bytes = PerfMap.Lines(segment).Length;
            }
        }

        public void Dispose() => _ended = true;
    }

    /// <summary>Has too little memory for what the thread that made it installs.</summary>
    private sealed class Starving : INameSink, IDisposable
    {
        private readonly int _thread = Environment.CurrentManagedThreadId;
        private bool _starves;

        public Starving()
        {
            CodeRegistry.Attach(this);
            _starves = true;
        }

        public void Added(CodeSegment segment)
        {
            if (_starves && Environment.CurrentManagedThreadId == _thread)
            {
#pragma warning disable CA2201 // The runtime's exception is what is tested.
                throw new OutOfMemoryException();
#pragma warning restore CA2201
            }
        }

        public void Removed(CodeSegment segment) { }

        public void Dispose() => _starves = false;
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "dup2")]
    private static partial int Dup2(int from, int to);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    private static partial int Truncate(int file, long length);
}
