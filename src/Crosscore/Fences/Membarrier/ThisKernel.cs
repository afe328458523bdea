using System.Runtime.InteropServices;
using System.Text;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;

namespace Crosscore;

/// <summary>The kernel that this process runs on.</summary>
internal sealed class ThisKernel : IMembarrierKernel
{
    private const string CpuFolder = "/sys/devices/system/cpu/";

    // What was read or opened is kept; a refusal is not, because the next attempt may succeed.
    // A read from offset 0 makes sysfs write the list anew, so one pread per check is enough.
    private SafeFileHandle? _online;
    private string? _possible; // never changes

    private ThisKernel() { }

    public static ThisKernel Instance { get; } = new();

    public MembarrierFailure Obstacle { get; } =
        FindObstacle(
            OperatingSystem.IsLinux(),
            OperatingSystem.IsAndroid(),
            OperatingSystem.IsAndroidVersionAtLeast(29),
            RuntimeInformation.ProcessArchitecture
        );

    public string? PossibleCpus
    {
        get
        {
            if (Volatile.Read(ref _possible) is { } known)
            {
                return known;
            }

            if (OpenFile.ReadText(CpuFolder + "possible", out string list) != 0)
            {
                return null;
            }

            list = list.Trim();
            Volatile.Write(ref _possible, list);
            return list;
        }
    }

    public string? OnlineCpus
    {
        get
        {
            if (Volatile.Read(ref _online) is not { } file)
            {
                int descriptor = OpenFile.Open(CpuFolder + "online", OpenFile.O_RDONLY | OpenFile.O_CLOEXEC);
                if (descriptor < 0)
                {
                    return null;
                }

                var opened = new SafeFileHandle(descriptor, ownsHandle: true);
                file = Interlocked.CompareExchange(ref _online, opened, null) ?? opened;
                if (file != opened)
                {
                    opened.Dispose(); // another thread was first
                }
            }

            return Read(file);
        }
    }

    public int Call(int command, uint flags, int cpu) => MembarrierCall.Invoke(command, flags, cpu);

    /// <summary>
    /// Decides where the call may be made. Android up to version 9 answers it, QUERY included, with SIGSYS, which
    /// cannot be caught in time (dotnet/coreclr#24298, dotnet/runtime#92196); .NET itself does not make the call there
    /// either.
    /// </summary>
    internal static MembarrierFailure FindObstacle(
        bool linux,
        bool android,
        bool android10OrLater,
        Architecture architecture
    ) =>
        (linux || android) && MembarrierCall.Number(architecture) >= 0
            ? android && !android10OrLater
                ? MembarrierFailure.UnsafeToCall
                : MembarrierFailure.None
            : MembarrierFailure.WrongPlatform;

    private static string? Read(SafeFileHandle file)
    {
        // An attribute of sysfs is at most one page: Documentation/filesystems/sysfs.rst.
        Span<byte> page = stackalloc byte[4096];
        int length = OpenFile.ReadOnceAt((int)file.DangerousGetHandle(), page, 0); // Kept for the life of the process.
        return length < 0 ? null : Encoding.ASCII.GetString(page[..length]).Trim();
    }
}
