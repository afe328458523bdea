using System.Globalization;
using System.Text.RegularExpressions;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>
/// What docs/crash-dumps.md says is found in a dump: the process dies at an UD2, six bytes into a function with a name.
/// </summary>
public sealed partial class CrashDumpTests
{
    private const int Into = 6;

    public CrashDumpTests()
    {
        Machine.NeedsRawPrograms();
        Assert.SkipUnless(File.Exists("/usr/bin/gdb"), "gdb is not installed.");
    }

    [Theory]
    [InlineData("code", "0x37", true)]
    [InlineData("live", "0x37", true)]
    [InlineData("code", "0x33", false)] // The kernel's default: the pages of the executable mapping are left out,
    [InlineData("live", "0x33", false)] // of live code too, at this one of its two addresses.
    public void A_core_dump_holds_the_code_where_the_filter_says_so_and_always_its_segments_name(
        string where,
        string filter,
        bool holdsCode
    )
    {
        string pattern = File.ReadAllText("/proc/sys/kernel/core_pattern").Trim();
        Assert.SkipUnless(pattern == "core", $"Core dumps do not go to the folder of the process here: {pattern}");
        InFolder(folder =>
        {
            (nint function, _) = Crash(
                folder,
                [
                    "sh",
                    "-c",
                    "cd \"$0\" && ulimit -c unlimited && echo \"$1\" > "
                        + "/proc/self/coredump_filter && shift && exec \"$@\"",
                    folder,
                    filter,
                ],
                ("CROSSCORE_TEST_CRASH", where)
            );
            string core = Directory.GetFiles(folder, "core*").Single();
            string text = Gdb(core, "bt 1", $"x/4i {function}", "info proc mappings");
            Assert.Contains($"#0  0x{function + Into:x16} in ??", text, StringComparison.Ordinal);
            Assert.Equal(holdsCode, text.Contains("ud2", StringComparison.Ordinal));
            Assert.Matches($"0x{function & -4096:x}.*/memfd:crosscore-{where}:crash", text);
        });
    }

    [Theory]
    [InlineData("1")]
    [InlineData("4")]
    public void A_dump_of_the_runtimes_holds_the_code_that_died_and_perfs_map_its_name(string type)
    {
        InFolder(folder =>
        {
            string dump = Path.Combine(folder, "dump");
            (nint function, int process) = Crash(
                folder,
                [],
                ("DOTNET_DbgEnableMiniDump", "1"),
                ("DOTNET_DbgMiniDumpType", type),
                ("DOTNET_DbgMiniDumpName", dump)
            );
            string text = Gdb(dump, "bt 14", $"x/4i {function}");

            // The thread waits in the runtime's handler for the dump; the frame below the signal is the one that died.
            Assert.Matches($@"<signal handler called>\s+#\d+ +0x{function + Into:x16} in", text);
            Assert.Contains("ud2", text, StringComparison.Ordinal);
            string? line = File.ReadLines($"/tmp/perf-{process}.map")
                .LastOrDefault(line =>
                    nint.Parse(line.Split(' ')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture) == function
                );
            Assert.EndsWith($" {CrashTrial.Function}", line, StringComparison.Ordinal);
        });
    }

    /// <summary>Lets a child die, and returns where its function began and what its number was.</summary>
    private static (nint Function, int Process) Crash(
        string folder,
        string[] launcher,
        params (string, string)[] settings
    )
    {
        ChildResult result = ChildProcess.RunCommand(
            [.. launcher, .. ChildProcess.CommandFor(Child.CrashInNamedCode)],
            settings
        );
        Match line = Died().Match(result.Text);
        Assert.True(line.Success && result.Status != 0, result.Text + result.Errors);
        File.WriteAllText(Path.Combine(folder, "process"), line.Groups[2].Value);
        return (
            nint.Parse(line.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            int.Parse(line.Groups[2].ValueSpan, CultureInfo.InvariantCulture)
        );
    }

    private static string Gdb(string core, params string[] commands) =>
        ChildProcess
            .RunCommand(
                [
                    "gdb",
                    "-nx",
                    "-batch",
                    ChildProcess.CommandFor("")[0],
                    core,
                    .. commands.SelectMany(command => (string[])["-ex", command]),
                ],
                ("DEBUGINFOD_URLS", "")
            )
            .Text;

    private static void InFolder(Action<string> test)
    {
        string folder = Directory.CreateTempSubdirectory("crosscore-crash-").FullName;
        try
        {
            test(folder);
        }
        finally
        {
            string process = Path.Combine(folder, "process");
            if (File.Exists(process))
            {
                File.Delete($"/tmp/perf-{File.ReadAllText(process)}.map");
                File.Delete($"/tmp/jit-{File.ReadAllText(process)}.dump");
            }

            Directory.Delete(folder, recursive: true);
        }
    }

    [GeneratedRegex($@"^crash!{CrashTrial.Function} at ([0-9a-f]+) in (\d+)")]
    private static partial Regex Died();
}
