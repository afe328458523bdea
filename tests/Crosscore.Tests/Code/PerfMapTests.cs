using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>
/// The file that perf reads lies in a folder where other users may have put something of its name first.
/// </summary>
public sealed partial class PerfMapTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    [Fact]
    public void What_others_prepared_is_not_written_to_and_nothing_waits_for_it()
    {
        ChildResult result = ChildProcess.RunThisProgram(
            Child.MeetPreparedPerfMaps,
            null,
            ("DOTNET_PerfMapEnabled", "0")
        );
        Assert.True(result.Status == 0, result.Errors);
        string foreign = Environment.IsPrivilegedProcess ? "refused, nothing written" : "skipped";
        Assert.Equal(
            [
                "a link: refused, nothing written",
                "a second name: refused, nothing written",
                "a pipe: refused, nothing written",
                "a pipe that is not read: refused, nothing written",
                $"a file of another user: {foreign}",
                "a folder: refused, nothing written",
                "stale lines: gone",
                "read by this process: published",
            ],
            result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        );
    }

    /// <summary>A pipe that is almost full takes the beginning of a line, as a disk does.</summary>
    [Fact]
    public unsafe void After_a_line_that_was_cut_off_the_next_begins_on_a_separate_line()
    {
        const int SetPipeSize = 1031; // F_SETPIPE_SZ
        int* pipe = stackalloc int[2];
        Assert.Equal(0, Pipe(pipe, Linux.OpenFile.O_NONBLOCK));
        using var reading = new Microsoft.Win32.SafeHandles.SafeFileHandle(pipe[0], ownsHandle: true);
        using var writing = new Microsoft.Win32.SafeHandles.SafeFileHandle(pipe[1], ownsHandle: true);
        Assert.True(Linux.Libc.Fcntl(pipe[1], SetPipeSize, 4096) > 0);
        var map = new PerfMap(pipe[1]);
        CodeFunction[] many =
        [
            .. Enumerable.Range(0, 800).Select(index => new CodeFunction($"function{index}", index, 1)),
        ];
        map.Write(new CodeSegment(0x10000, 4096, "many", many));
        byte[] bytes = new byte[8192];
        int cut = (int)Linux.Libc.OrNegativeErrno(ReadFile(pipe[0], bytes, (nuint)bytes.Length));
        Assert.InRange(cut, 1, 4096);
        Assert.NotEqual((byte)'\n', bytes[cut - 1]);
        map.Write(new CodeSegment(0x20000, 1, "next", [new CodeFunction("whole", 0, 1)]));
        map.Write(new CodeSegment(0x30000, 1, "next", [new CodeFunction("another", 0, 1)]));
        int more = (int)ReadFile(pipe[0], bytes, (nuint)bytes.Length);
        Assert.Equal("\n20000 1 whole\n30000 1 another\n", System.Text.Encoding.UTF8.GetString(bytes, 0, more));
    }

    [Fact]
    public void A_writer_that_waits_keeps_no_other_thread_waiting()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        var sink = new Waiting();
        CodeRegistry.Attach(sink);
        var first = new Thread(() =>
        {
            sink.Keeps = Environment.CurrentManagedThreadId;
            code.Install().Dispose();
        });
        first.Start();
        Assert.True(sink.Entered.Wait(Bound, TestContext.Current.CancellationToken));
        var second = new Thread(() =>
        {
            using InstalledCode installed = code.Install();
            _ = CodeNames.Find(installed.Address);
        });
        second.Start();
        bool ended = second.Join(Bound);
        sink.Leave.Set();
        first.Join();
        second.Join();
        Assert.True(ended, "Installing and finding names waited for a file.");
    }

    /// <summary>The child: prepares one thing after the other in the place of its file.</summary>
    internal static int MeetPrepared()
    {
        string path = $"/tmp/perf-{Environment.ProcessId}.map";
        string target = $"/tmp/crosscore-target-{Environment.ProcessId}";
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode installed = code.Install(); // So that there is something to be written.
        File.WriteAllText(target, "");
        try
        {
            Try("a link", () => File.CreateSymbolicLink(path, target));
            Try("a second name", () => Assert.Equal(0, Link(target, path)));
            Try("a pipe", () => Assert.Equal(0, MakePipe(path, 0x1B6)));
            Try(
                "a pipe that is not read",
                () =>
                {
                    Assert.Equal(0, MakePipe(path, 0x1B6));
                    Assert.True(Open(path, 2) >= 0);
                }
            );
            if (Environment.IsPrivilegedProcess)
            {
                Try(
                    "a file of another user",
                    () =>
                    {
                        File.WriteAllText(path, "");
                        Assert.Equal(0, ChangeOwner(path, 65533, 65533));
                    }
                );
            }
            else
            {
                Console.WriteLine("a file of another user: skipped");
            }

            Try("a folder", () => Directory.CreateDirectory(path));

            // As a process of the same number left it in a container.
            File.WriteAllText(path, "1000 10 stale\n");
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddHours(-1));
            using (FileStream reading = File.Open(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
            {
                CodeNames.PublishToPerf();
                string[] lines = new StreamReader(reading)
                    .ReadToEnd()
                    .Split('\n', StringSplitOptions.RemoveEmptyEntries);
                Console.WriteLine(
                    $"stale lines: "
                        + $"{(lines.Any(line => line.Contains("stale", StringComparison.Ordinal)) ? "there" : "gone")}"
                );
                Console.WriteLine($"read by this process: {(lines.Length == 1 ? "published" : "nothing")}");
            }
        }
        finally
        {
            File.Delete(path);
            File.Delete($"/tmp/jit-{Environment.ProcessId}.dump");
            File.Delete(target);
        }

        return 0;

        void Try(string what, Action prepare)
        {
            prepare();
            string outcome = "hangs";
            var thread = new Thread(() =>
            {
                try
                {
                    CodeNames.PublishToPerf();
                    outcome = "published";
                }
                catch (IOException)
                {
                    outcome = "refused";
                }
            })
            {
                IsBackground = true,
            };
            thread.Start();
            _ = thread.Join(Bound);
            bool written =
                new FileInfo(target).Length > 0
                || (new FileInfo(path) is { Exists: true, LinkTarget: null } prepared && prepared.Length > 0);
            Console.WriteLine($"{what}: {outcome}, {(written ? "written" : "nothing written")}");
            if (Directory.Exists(path))
            {
                Directory.Delete(path);
            }

            File.Delete(path);
            File.WriteAllText(target, "");
            if (outcome != "refused")
            {
                Environment.Exit(1);
            }
        }
    }

    /// <summary>Keeps the writes of one thread waiting.</summary>
    private sealed class Waiting : INameSink
    {
        public ManualResetEventSlim Entered { get; } = new();

        public ManualResetEventSlim Leave { get; } = new();

        public int Keeps { get; set; } = -1;

        public bool Writes => true;

        public void Added(CodeSegment segment) { }

        public void Removed(CodeSegment segment) { }

        public void Write(CodeSegment segment)
        {
            if (Environment.CurrentManagedThreadId == Keeps)
            {
                Entered.Set();
                Leave.Wait();
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    [LibraryImport("libc", EntryPoint = "pipe2")]
    private static unsafe partial int Pipe(int* descriptors, int flags);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint ReadFile(int descriptor, byte[] bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "chown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint user, uint group);
}
