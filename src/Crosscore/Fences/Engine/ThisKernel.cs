using System.Runtime.InteropServices;
using System.Text;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;

namespace Crosscore;

/// <summary>The kernel this process runs on.</summary>
internal sealed class ThisKernel : IMembarrierKernel
{
    private const string CpuFolder = "/sys/devices/system/cpu/";

    // What was read or opened is kept; a refusal is not, because the next attempt may succeed.
    // reading from offset 0 makes sysfs write the list anew, so one pread a check is enough
    private SafeFileHandle? _online;
    private string? _possible;       // never changes

    private ThisKernel()
    {
    }

    public static ThisKernel Here { get; } = new();

    public MembarrierFailure Obstacle { get; } = FindObstacle(
        OperatingSystem.IsLinux(),
        OperatingSystem.IsAndroid(),
        OperatingSystem.IsAndroidVersionAtLeast(29),
        RuntimeInformation.ProcessArchitecture);

    public string? PossibleCpus
    {
        get
        {
            if (Volatile.Read(ref _possible) is { } known)
            {
                return known;
            }

            using SafeFileHandle? file = Open(CpuFolder + "possible");
            string? list = Read(file);
            if (list is not null)
            {
                Volatile.Write(ref _possible, list);
            }

            return list;
        }
    }

    public string? OnlineCpus
    {
        get
        {
            if (Volatile.Read(ref _online) is not { } file)
            {
                if (Open(CpuFolder + "online") is not { } opened)
                {
                    return null;
                }

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
    /// Decides where the call may be made. Android up to version 9 answers it with SIGSYS, QUERY included, which cannot be caught in time
    /// (dotnet/coreclr#24298, dotnet/runtime#92196); .NET itself does not call there either.
    /// </summary>
    internal static MembarrierFailure FindObstacle(bool linux, bool android, bool android10OrLater, Architecture architecture) =>
        (linux || android) && MembarrierCall.Number(architecture) >= 0
            ? android && !android10OrLater ? MembarrierFailure.UnsafeToCall : MembarrierFailure.None
            : MembarrierFailure.WrongPlatform;

    private static SafeFileHandle? Open(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? Read(SafeFileHandle? file)
    {
        if (file is null)
        {
            return null;
        }

        Span<byte> page = stackalloc byte[4096]; // An attribute of sysfs is at most one page: Documentation/filesystems/sysfs.rst.
        try
        {
            return Encoding.ASCII.GetString(page[..RandomAccess.Read(file, page, 0)]).Trim();
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
