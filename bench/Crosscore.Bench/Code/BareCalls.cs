using System.Runtime.InteropServices;

namespace Crosscore.Bench.Code;

/// <summary>
/// The system calls that sealed code cannot do without, and nothing else: create the memory file, write it, seal it,
/// read it back and map it. What an installation costs more is the library's; what this costs is the kernel's.
/// </summary>
internal sealed unsafe partial class BareCalls : IDisposable
{
    private const uint CloseOnExec = 1;
    private const uint AllowSealing = 2;
    private const int AddSeals = 1033;
    private const int AllSeals = 15; // seal, shrink, grow, write
    private const int ReadAndExecute = 1 | 4;
    private const int Private = 2;

    private readonly byte[] _content;
    private readonly byte[] _copy;
    private readonly List<nint> _mapped = new(1 << 10);

    /// <param name="bytes">Of the code; the file has a page more, as that of the library has.</param>
    public BareCalls(int bytes)
    {
        _content = new byte[bytes + Environment.SystemPageSize];
        _content.AsSpan().Fill(0xCC);
        _copy = new byte[_content.Length];
    }

    public void Install()
    {
        int file = MemfdCreate("bare", CloseOnExec | AllowSealing);

        // SAFETY: both buffers have as many bytes as are given, and stay where they are during the calls.
        fixed (byte* content = _content)
        fixed (byte* copy = _copy)
        {
            bool isDone =
                file >= 0
                && Pwrite(file, content, (nuint)_content.Length, 0) == _content.Length
                && Fcntl(file, AddSeals, AllSeals) == 0
                && Pread(file, copy, (nuint)_copy.Length, 0) == _copy.Length
                && _copy.AsSpan().SequenceEqual(_content);
            nint address = isDone ? Mmap(0, (nuint)_content.Length, ReadAndExecute, Private, file, 0) : -1;
            _ = Close(file);
            if (address == -1)
            {
                throw new InvalidOperationException("A system call of the comparison failed, so nothing was measured.");
            }

            _mapped.Add(address);
        }
    }

    /// <summary>Takes the mappings away.</summary>
    public void Clear()
    {
        foreach (nint address in _mapped)
        {
            _ = Munmap(address, (nuint)_content.Length);
        }

        _mapped.Clear();
    }

    public void Dispose() => Clear();

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemfdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "pwrite")]
    private static partial nint Pwrite(int file, byte* bytes, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "pread")]
    private static partial nint Pread(int file, byte* bytes, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Fcntl(int file, int command, int argument);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Mmap(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Munmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
