using Crosscore.Tests.Raw;

namespace Crosscore.Tests.Sandbox.Hidden;

/// <summary>
/// The whole library in processes from which parts of the system are hidden: each public entry gives a right or a
/// documented answer, nothing unknown is answered with Yes, and where the part is shown again everything works.
/// </summary>
public sealed class HiddenSystemTests(ITestOutputHelper output)
{
    public const string Nothing = "nothing hidden";
    public const string NoProc = "no /proc";
    public const string ProcOfProcesses = "a /proc of processes alone";
    public const string NoSys = "no /sys";
    public const string NoSysFromTheStart = "no /sys from the start";
    public const string NeitherProcNorSys = "neither /proc nor /sys";
    public const string ReadOnly = "nothing can be written";
    public const string NotDumpable = "another user, not dumpable";
    public const string NoDescriptor = "no descriptor";
    public const string OneDescriptor = "one descriptor";

    private const string Private = "mount --make-rprivate /";

    private const string Execute = "exec \"$0\" \"$@\"";

    /// <summary>By a shell that becomes the child.</summary>
    private static readonly Dictionary<string, string> ByTheShell = new()
    {
        [ProcOfProcesses] =
            $"{Private} && mount -t proc -o subset=pid proc /proc || exit {Launcher.NotAvailable}; " + Execute,
        [NoSysFromTheStart] = $"{Private} && mount -t tmpfs none /sys || exit {Launcher.NotAvailable}; " + Execute,
        [ReadOnly] =
            $"{Private} || exit {Launcher.NotAvailable}; for m in $(cut -d' ' -f2 /proc/mounts); "
            + "do mount -o remount,bind,ro \"$m\" 2>/dev/null; done; "
            + $"touch /tmp/written 2>/dev/null && exit {Launcher.NotAvailable}; {Execute}",
    };

    private static Dictionary<string, string[]>? _control;

    [Theory]
    [InlineData(Nothing)]
    [InlineData(NoProc)]
    [InlineData(ProcOfProcesses)]
    [InlineData(NoSys)]
    [InlineData(NoSysFromTheStart)]
    [InlineData(NeitherProcNorSys)]
    [InlineData(ReadOnly)]
    [InlineData(NotDumpable)]
    [InlineData(NoDescriptor)]
    [InlineData(OneDescriptor)]
    public void Every_entry_of_the_library_answers_as_documented(string system)
    {
        Machine.NeedsRawPrograms();
        _control ??= Run(Nothing).Hidden;
        (Dictionary<string, string[]> hidden, Dictionary<string, string[]> later) =
            system == Nothing ? (_control, []) : Run(system);
        int refused = hidden.Count(line => line.Value[0] == "documented");
        int done = later.Count(line => line.Value[0] == "done");
        output.WriteLine(
            $"{system}: {LibraryUse.All.Count} entries, {refused} refused as documented; "
                + $"{done} done when it was shown again"
        );

        Assert.Equal(
            LibraryUse
                .All.Select(use => use.Name)
                .Concat(Enum.GetNames<MachinePromise>().Select(promise => $"promise {promise}")),
            hidden.Keys
        );
        Assert.Empty(
            hidden.Where(line => line.Value[0] == "undocumented").Select(line => $"{line.Key}: {line.Value[1]}")
        );
        Assert.Empty(
            hidden
                .Where(line => line.Value[0] == "Yes" && _control[line.Key][0] != "Yes")
                .Select(line => $"{line.Key} is Yes: {line.Value[1]}")
        );
        Assert.Empty(
            later
                .Where(line => line.Value[0] != "done" && line.Value[0] != _control[line.Key][0])
                .Select(line => $"{line.Key}, shown again: {string.Join(' ', line.Value)}")
        );
    }

    [Fact]
    public void Where_proc_shows_processes_alone_all_threads_are_serialized_and_global_barriers_are_not_promised()
    {
        Machine.NeedsRawPrograms();
        Assert.SkipUnless(
            Environment.OSVersion.Version >= new Version(5, 10),
            "SYNC_CORE is believed from Linux 5.10 on."
        );
        Dictionary<string, string[]> answers = Run(ProcOfProcesses).Hidden;
        Assert.NotEqual("Yes", answers[$"promise {MachinePromise.RegisteredReceiversMemoryBarrier}"][0]);
        Assert.Equal(["done"], answers["CoreSerialization.AllThreads"]);
        Assert.Equal("Yes", answers[$"promise {MachinePromise.AllThreadsCoreSerialization}"][0]);
    }

    [Fact]
    public void Every_public_type_that_does_something_is_used()
    {
        HashSet<Type> used = [.. LibraryUse.All.SelectMany(use => use.Types)];

        // What only carries values, or is made and executed by a type that is used; the area and its sections are
        // used by every type of its namespace.
        string[] parts =
        [
            "CodeToVerify",
            "CodeVerdict",
            "ICodeVerifier",
            "PerCpuRecords`1",
            "PerCpuReadSection",
            "PerCpuReadDomain",
            "PerCpuArea",
            "PerCpuSection",
            "SectionBuilder",
            "SectionResult",
            "SectionValue",
            "StoppedSlot",
        ];
        Assert.Empty(
            typeof(Membarrier)
                .Assembly.GetExportedTypes()
                .Where(type =>
                    !type.IsNested
                    && !type.IsEnum
                    && !typeof(Exception).IsAssignableFrom(type)
                    && !used.Contains(type)
                    && !parts.Contains(type.Name)
                )
                .Select(type => type.FullName)
        );
    }

    private static (Dictionary<string, string[]> Hidden, Dictionary<string, string[]> Later) Run(string system)
    {
        string[] command = ChildProcess.CommandFor(Child.UseHiddenSystem);
        if (ByTheShell.TryGetValue(system, out string? script))
        {
            Assert.SkipUnless(
                Environment.IsPrivilegedProcess && File.Exists("/usr/bin/unshare"),
                "Needs unshare and the right to mount."
            );
            command = ["/usr/bin/unshare", "-m", "sh", "-c", script, .. command];
        }

        ChildResult result = ChildProcess.RunCommand(
            command,
            (HiddenSystemChild.SystemVariable, system),
            ("DOTNET_EnableDiagnostics", "0")
        );
        Assert.SkipWhen(
            result.Status == Launcher.NotAvailable
                || (result.Status == 1 && result.Errors.StartsWith("unshare", StringComparison.Ordinal)),
            $"This system does not allow: {system}."
        );
        Assert.True(result.Status == 0, $"The child ended with status {result.Status}. {result.Errors}");
        string[] lines = result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int middle = Array.IndexOf(lines, "later");
        return (Parse(lines[..middle]), Parse(lines[(middle + 1)..]));
    }

    private static Dictionary<string, string[]> Parse(string[] lines) =>
        lines.Select(line => line.Split('\t')).ToDictionary(fields => fields[0], fields => fields[1..]);
}
