using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Crosscore.Code;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>What perf says of installed and of live code.</summary>
public sealed class ProfilerTests
{
    private static readonly string[] Named = [ProfilerTrial.Installed, ProfilerTrial.Live, ProfilerTrial.Exchanged];

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // The runtime writes the same file.
    public void Perf_reports_time_in_installed_live_and_exchanged_code_by_its_names(bool runtimeWritesToo)
    {
        Machine.NeedsRawPrograms();
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(path => File.Exists(Path.Combine(path, "perf"))),
            "perf is not installed (Debian: linux-perf)."
        );
        string folder = Directory.CreateTempSubdirectory("crosscore-perf-").FullName;
        string process = "";
        try
        {
            // A separate home folder, because perf keeps a cache there. cpu-clock, because a virtual machine may have
            // no counters.
            (string, string)[] settings = [("HOME", folder), ("DOTNET_PerfMapEnabled", runtimeWritesToo ? "1" : "0")];
            string recorded = Path.Combine(folder, "recorded");
            string injected = Path.Combine(folder, "injected");
            ChildResult record = ChildProcess.RunCommand(
                [
                    "perf",
                    "record",
                    "-q",
                    "-N",
                    "-k",
                    "1",
                    "-e",
                    "cpu-clock:u",
                    "-F",
                    "499",
                    "-o",
                    recorded,
                    "--",
                    .. ChildProcess.CommandFor(Child.SpinForProfiler),
                ],
                settings
            );
            Assert.SkipWhen(
                record.Status != 0 && record.Errors.Contains("perf_event_paranoid", StringComparison.Ordinal),
                "This system does not let perf record."
            );
            Assert.True(record.Status == 0, record.Errors);
            string[] lines = record.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal(nameof(PatchMethod.PageSwap), lines[0]);
            process = lines[1];
            ChildResult inject = ChildProcess.RunCommand(
                ["perf", "inject", "--jit", "-i", recorded, "-o", injected],
                settings
            );
            Assert.True(inject.Status == 0, inject.Errors);
            double[] without = SharesIn(recorded, settings, out _);
            double[] with = SharesIn(injected, settings, out string report);
            Assert.True(with.All(share => share > 5), report); // A third each, but for the start of the runtime.
            Assert.All(without, share => Assert.Equal(0, share)); // The control: what perf says without the file.
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
            if (process.Length > 0)
            {
                File.Delete($"/tmp/jit-{process}.dump");
                File.Delete($"/tmp/perf-{process}.map");
                File.Delete($"/tmp/perfinfo-{process}.map");
                foreach (string file in Directory.GetFiles("/tmp", $"jitted-{process}-*.so"))
                {
                    File.Delete(file);
                }
            }
        }
    }

    [Fact]
    public void A_record_has_the_layout_that_perf_documents()
    {
        byte[] record = new byte[128];
        int length = JitDump.Describe(record, unchecked((nint)0x7F00_1234_5000), 6, "name"u8, 9, 77);
        Assert.Equal(16 + 40 + 5, length);
        Assert.Equal((0u, 61u + 6), (At4(0), At4(4))); // JIT_CODE_LOAD; the code's 6 bytes count.
        Assert.Equal(77ul, At8(8));
        Assert.Equal((uint)Environment.ProcessId, At4(16));
        Assert.Equal((0x7F00_1234_5000ul, 0x7F00_1234_5000ul, 6ul, 9ul), (At8(24), At8(32), At8(40), At8(48)));
        Assert.Equal("name\0", Encoding.UTF8.GetString(record, 56, 5));

        uint At4(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(record.AsSpan(offset));
        ulong At8(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(record.AsSpan(offset));
    }

    [Fact]
    public void Live_code_has_its_name_in_that_of_its_memory_file_before_and_after_an_exchange_of_pages()
    {
        Machine.NeedsRawPrograms();
        using LiveCode named = LiveCode.Install([0x90, 0x90, 0xFF, 0x94, 0x24, 0, 0, 0, 0, 0xC3], "filter");
        using LiveCode unnamed = LiveCode.Install(MachineCode.Return42);
        Assert.Equal("/memfd:crosscore-live:filter (deleted)", Maps.LineAt(named.Address)!.Value.Path);
        Assert.Equal("/memfd:crosscore-live (deleted)", Maps.LineAt(unnamed.Address)!.Value.Path);
        Assert.Equal(
            PatchMethod.PageSwap,
            new CodePatch(CodeMode.Measured).Replace(named, 5, [1, 1, 1, 1]).Commit().Method
        );
        Assert.Equal("/memfd:crosscore-live:filter (deleted)", Maps.LineAt(named.Address)!.Value.Path);
    }

    [Fact]
    public void Code_that_is_being_unmapped_is_not_copied()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        InstalledCode installed = code.Install();
        nint address = installed.Address;
        CodeSegment segment = CodeRegistry.Find(address)!;
        byte[] copy = new byte[MachineCode.Return42.Length];
        Assert.True(segment.TryCopy(0, copy));
        Assert.Equal(MachineCode.Return42, copy);
        installed.Dispose();
        Assert.False(segment.TryCopy(0, copy)); // Reading would end the process.
    }

    /// <summary>The percentages of the three functions in a report; 0 where one is not named.</summary>
    private static double[] SharesIn(string file, (string, string)[] settings, out string text)
    {
        ChildResult report = ChildProcess.RunCommand(
            ["perf", "report", "--stdio", "--sort", "symbol", "-i", file],
            settings
        );
        Assert.True(report.Status == 0, report.Errors);
        text = report.Text;
        string[] lines = text.Split('\n');
        return
        [
            .. Named.Select(name =>
                lines.FirstOrDefault(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Contains(name))
                    is { } found
                    ? double.Parse(found.Trim().Split('%')[0], CultureInfo.InvariantCulture)
                    : 0
            ),
        ];
    }
}
