using System.Globalization;
using System.Text;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>A system call that the library made.</summary>
/// <param name="Name">As the manual has it.</param>
/// <param name="Detail">The file it is about, or the command of membarrier(2); otherwise empty.</param>
/// <param name="ByFramework">Whether .NET's own library made it for ours, as File does; it repeats what is answered
/// EINTR until it is answered otherwise.</param>
internal sealed record WatchedCall(string Name, string Detail, bool ByFramework)
{
    public override string ToString() => Detail.Length == 0 ? Name : $"{Name} {Detail}";
}

/// <summary>
/// Which system calls of a child are the library's. The runtime makes the same ones on the same threads, for its
/// heaps, its compiler and the assemblies it loads, and dies of a refusal. So a call that is about a file counts if
/// that file is the system's (/proc, /sys) or code of this library; another one, if compiled code called the C
/// library for it.
/// </summary>
internal sealed class WatchedCalls : IDisposable
{
    private SafeFileHandle? _memory;
    private List<MemoryMapLine> _map = [];

    private const int StackBytes = 4096;

    private static readonly Dictionary<int, string> Names = new()
    {
        [0] = "read", [1] = "write", [2] = "open", [5] = "fstat", [8] = "lseek", [9] = "mmap", [10] = "mprotect",
            [11] = "munmap", [13] = "rt_sigaction", [17] = "pread64", [18] = "pwrite64",
        [28] = "madvise", [46] = "sendmsg", [47] = "recvmsg", [63] = "uname", [72] = "fcntl", [73] = "flock",
            [77] = "ftruncate", [138] = "fstatfs", [89] = "readlink", [149] = "mlock", [158] = "arch_prctl",
        [203] = "sched_setaffinity", [204] = "sched_getaffinity", [217] = "getdents64", [257] = "openat",
            [262] = "newfstatat", [267] = "readlinkat", [285] = "fallocate", [309] = "getcpu",
        [319] = "memfd_create", [324] = "membarrier", [332] = "statx", [334] = "rseq",
    };

    private static readonly string[] AboutDescriptor = ["read", "write", "fstat", "lseek", "pread64", "pwrite64",
        "fcntl", "flock", "ftruncate", "fstatfs", "getdents64", "fallocate"];

    private static readonly string[] AboutFirstPath = ["open", "readlink"];

    private static readonly string[] AboutSecondPath = ["openat", "newfstatat", "readlinkat", "statx"];

    private static readonly string[] OfTheCLibrary = ["libc.so", "libc-", "libpthread", "ld-musl", "libstdc++",
        "libgcc_s"];

    /// <summary>The numbers that a filter has to notify of. Source: arch/x86/entry/syscalls/syscall_64.tbl.</summary>
    public static IReadOnlyCollection<int> Numbers => Names.Keys;

    public WatchedCalls(int process) => Process = process;

    /// <summary>The child.</summary>
    public int Process { get; }

    /// <summary>What a thread is about to do, or null if that is not the library's.</summary>
    public WatchedCall? Describe(int thread, int number, ReadOnlySpan<long> arguments)
    {
        string name = Names[number];
        string detail = "";
        try
        {
            if (AboutDescriptor.Contains(name))
            {
                detail = new FileInfo($"/proc/{Process}/fd/{(int)arguments[0]}").LinkTarget ?? "";
                if (!IsOurs(detail))
                {
                    return null;
                }
            }
            else if (AboutFirstPath.Contains(name) || AboutSecondPath.Contains(name))
            {
                detail = ReadText((nint)arguments[AboutFirstPath.Contains(name) ? 0 : 1]);
                if (!IsOurs(detail))
                {
                    return null;
                }
            }
            else if (name == "membarrier")
            {
                detail = string.Create(CultureInfo.InvariantCulture, $"0x{arguments[0]:x}");
            }

            bool aboutFile = detail.StartsWith('/');
            return !aboutFile && !IsCalledByCompiledCode(thread) ? null
                : new WatchedCall(name, Neutral(detail, thread), aboutFile && name != "fcntl");
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null; // the thread has been killed in the call
        }
    }

    public void Dispose() => _memory?.Dispose();

    private static bool IsOurs(string file) => file.StartsWith("/proc/", StringComparison.Ordinal)
        || file.StartsWith("/sys/", StringComparison.Ordinal)
        || file.Contains("memfd:crosscore", StringComparison.Ordinal)
            || file.Contains("/perf-", StringComparison.Ordinal);

    /// <summary>The same call has the same name in each process and thread.</summary>
    private string Neutral(string file, int thread) => string.Join('/', file.Split('/').Select(part =>
        part == $"{Process}" || part == $"{thread}" ? "N" : part));

    /// <summary>
    /// Whether the first return address on the stack that lies in none of the C library's images lies in none at all.
    /// </summary>
    private bool IsCalledByCompiledCode(int thread)
    {
        // number, six arguments, stack pointer, program counter; or one word while the thread is on its way to sleep:
        // Documentation/filesystems/proc.rst.
        string[] state;
        while ((state = File.ReadAllText($"/proc/{thread}/syscall").Split(' ', StringSplitOptions.TrimEntries))
            .Length < 9)
        {
            _ = Thread.Yield();
        }

        byte[] stack = new byte[StackBytes];
        int length = Read(Number(state[7]), stack);

        // Images stay where they are, and most calls come straight from the runtime; compiled code comes and goes.
        if (IsLookedThrough(Image(Number(state[8])) ?? "")
            && Image((nint)BitConverter.ToInt64(stack)) is { Length: > 0 } direct && !IsLookedThrough(direct))
        {
            return false;
        }

        _map = MemoryMap.Parse(File.ReadLines($"/proc/{Process}/maps"));
        for (int at = 0; at + 8 <= length; at += 8)
        {
            if (Image((nint)BitConverter.ToInt64(stack, at)) is { } image && !IsLookedThrough(image))
            {
                return image.Length == 0;
            }
        }

        return false;
    }

    /// <summary>Libraries that make system calls for their callers.</summary>
    private static bool IsLookedThrough(string image) => OfTheCLibrary.Any(part => image.StartsWith(part,
        StringComparison.Ordinal));

    private static nint Number(string text) => (nint)ulong.Parse(text.AsSpan(2), NumberStyles.HexNumber,
        CultureInfo.InvariantCulture);

    /// <summary>
    /// The file name of the image that an address lies in, "" for compiled code, null where nothing can be executed.
    /// </summary>
    private string? Image(nint address)
    {
        const long Lowest = 1L << 16;
        const long Highest = 1L << 47;
        if (address < Lowest || address >= Highest)
        {
            return null;
        }

        if (Find(address) is not { } line)
        {
            _map = MemoryMap.Parse(File.ReadLines($"/proc/{Process}/maps"));
            if (Find(address) is not { } found)
            {
                return null;
            }

            line = found;
        }

        return line.Permissions[2] != 'x' ? null : line.Path.StartsWith('/')
            && !line.Path.StartsWith("/memfd:", StringComparison.Ordinal) ? Path.GetFileName(line.Path) : "";
    }

    private MemoryMapLine? Find(nint address)
    {
        int low = 0;
        for (int high = _map.Count - 1; low <= high;)
        {
            int middle = (low + high) / 2;
            if (address < _map[middle].Start)
            {
                high = middle - 1;
            }
            else if (address >= _map[middle].End)
            {
                low = middle + 1;
            }
            else
            {
                return _map[middle];
            }
        }

        return null;
    }

    private string ReadText(nint address)
    {
        byte[] text = new byte[256];
        int length = Read(address, text);
        int end = Array.IndexOf(text, (byte)0, 0, length);
        return Encoding.UTF8.GetString(text, 0, end < 0 ? length : end);
    }

    private int Read(nint address, byte[] bytes)
    {
        _memory ??= File.OpenHandle($"/proc/{Process}/mem", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        int page = Environment.SystemPageSize;
        int inPage = Math.Min(bytes.Length, page - (int)(address & (page - 1)));
        int read = RandomAccess.Read(_memory, bytes.AsSpan(0, inPage), address);
        try
        {
            return read + (read == inPage && inPage < bytes.Length ? RandomAccess.Read(_memory, bytes.AsSpan(inPage),
                address + inPage) : 0);
        }
        catch (IOException)
        {
            return read; // the next page is not there
        }
    }
}
