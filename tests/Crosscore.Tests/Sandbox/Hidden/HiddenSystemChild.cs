using System.Reflection;
using System.Runtime.InteropServices;
using Crosscore.Linux;

namespace Crosscore.Tests.Sandbox.Hidden;

/// <summary>
/// The child of <see cref="HiddenSystemTests"/>: hides a part of the system from itself, if its parent has not done
/// so, uses the whole library, shows the part again and uses the library once more.
/// </summary>
internal static unsafe partial class HiddenSystemChild
{
    public const string SystemVariable = "CROSSCORE_HIDDEN";

    /// <summary>
    /// Hides something from the calling thread and from those it starts; returns how it is shown again, or null where
    /// the system does not allow that.
    /// </summary>
    private static readonly Dictionary<string, Func<Action?>> ByThisProcess = new()
    {
        [HiddenSystemTests.NoProc] = () => Cover("/proc"),
        [HiddenSystemTests.NoSys] = () => Cover("/sys"),
        [HiddenSystemTests.NeitherProcNorSys] = () => Cover("/proc", "/sys"),
        [HiddenSystemTests.NoDescriptor] = () => LimitDescriptors(0),
        [HiddenSystemTests.OneDescriptor] = () => LimitDescriptors(1),
        [HiddenSystemTests.NotDumpable] = BecomeNobody,
    };

    public static int Run()
    {
        string system = Environment.GetEnvironmentVariable(SystemVariable)!;
        Func<Action?>? hide = ByThisProcess.GetValueOrDefault(system);
        if (hide is not null)
        {
            // What .NET loads for the library is there before anything is hidden.
            _ = UseAll(FreshCopy.Load(typeof(HiddenSystemChild)));
        }

        Type copy = FreshCopy.Load(typeof(HiddenSystemChild));
        _ = Call(copy, nameof(Preload));
        string hidden = "";
        string later = "";
        int status = 0;
        var thread = new Thread(() =>
        {
            Action? show = null;
            if (hide is not null && (show = hide()) is null)
            {
                status = Launcher.NotAvailable;
                return;
            }

            hidden = UseAll(copy);
            show?.Invoke();
            later = show is null ? "" : UseAll(copy);
        });
        thread.Start();
        thread.Join();
        Console.Write(hidden);
        Console.WriteLine("later");
        Console.Write(later);
        return status;
    }

    private static string UseAll(Type copy) => Call(copy, nameof(UseAllHere));

    private static string Call(Type copy, string method) =>
        (string)copy.GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!.Invoke(null, null)!;

    /// <summary>In a copy: loads the library.</summary>
    private static string Preload() => $"{typeof(Membarrier).Assembly.GetName().Name} {LibraryUse.All.Count}";

    /// <summary>In a copy: a line for each use, and after them one for each promise.</summary>
    private static string UseAllHere()
    {
        string[] uses = [.. LibraryUse.All.Select(use => $"{use.Name}\t{use.Outcome()}\n")];
        return string.Concat(
            uses.Concat(
                MachineGuarantees.Detect().Select(line => $"promise {line.Promise}\t{line.Holds}\t{line.Source}\n")
            )
        );
    }

    private static Action? Cover(params string[] folders)
    {
        const int NewNamespace = 0x00020000;
        const nuint Recursive = 1 << 14;
        const nuint Private = 1 << 18;
        if (
            Unshare(NewNamespace) != 0
            || Mount("none", "/", null, Recursive | Private, null) != 0
            || folders.Any(folder => Mount("none", folder, "tmpfs", 0, null) != 0)
        )
        {
            return null;
        }

        return () =>
        {
            const int Detach = 2;
            foreach (string folder in folders)
            {
                _ = Unmount(folder, Detach);
            }
        };
    }

    private static Action? LimitDescriptors(int free)
    {
        const int Descriptors = 7; // RLIMIT_NOFILE
        Limit found;
        int lowest = Duplicate(0);
        _ = Close(lowest);
        if (GetLimit(Descriptors, &found) != 0)
        {
            return null;
        }

        Limit before = found;
        var limit = new Limit { Soft = (nuint)(free == 0 ? 0 : lowest + free), Hard = before.Hard };
        return SetLimit(Descriptors, &limit) != 0
            ? null
            : () =>
            {
                Limit again = before;
                _ = SetLimit(Descriptors, &again);
            };
    }

    /// <summary>Only this thread; the C library's function would change all.</summary>
    private static Action? BecomeNobody()
    {
        const int Setresuid = 117;
        const int Prctl = 157;
        const int SetDumpable = 4;
        const int Nobody = 65534;
        return Libc.Syscall(Prctl, SetDumpable, 0, 0) != 0 || Libc.Syscall(Setresuid, -1, Nobody, -1) != 0
            ? null
            : () =>
            {
                _ = Libc.Syscall(Setresuid, -1, 0, -1);
                _ = Libc.Syscall(Prctl, SetDumpable, 1, 0);
            };
    }

    [LibraryImport("libc", EntryPoint = "unshare")]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "mount", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Mount(string source, string target, string? type, nuint flags, string? data);

    [LibraryImport("libc", EntryPoint = "umount2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unmount(string target, int flags);

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Duplicate(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, Limit* limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, Limit* limit);

    /// <summary>struct rlimit.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Limit
    {
        public nuint Soft;
        public nuint Hard;
    }
}
