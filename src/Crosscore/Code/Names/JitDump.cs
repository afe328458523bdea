using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Crosscore.Isa;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// The file in which <c>perf inject --jit</c> finds the names and the bytes of code that was made at run time, each
/// with the moment from which on it lay at its address. Source: tools/perf/Documentation/jitdump-specification.txt.
/// </summary>
/// <remarks>
/// perf learns of the file from the event of an executable mapping of it, so a page of it is mapped, behind its
/// greatest length: what the file holds is executable nowhere.
/// </remarks>
internal sealed class JitDump : INameSink
{
    /// <summary>The maximum number of bytes written, 1 GiB. Code that comes after that has no names.</summary>
    internal const long MaxBytes = 1L << 30;

    internal const uint Magic = 0x4A695444;
    private const uint Version = 1;
    private const int HeaderBytes = 40;
    private const int PrefixBytes = 16; // Kind, size, time.
    private const int LoadBytes = PrefixBytes + 40; // Process, thread, address twice, size, number.
    private const uint CodeLoad = 0;
    private const uint CodeClose = 3;
    private const int BufferBytes = 64 << 10;
    private const int MaxTries = 100; // Of a call that a signal interrupted: a filter can answer EINTR without end.

    /// <summary>The longest time that the end of the process waits for a thread that writes.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Lock _writing = new();
    private readonly int _descriptor; // For the life of the process.
    private readonly bool _isRuntimes;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _filled;
    private long _size;
    private ulong _number = (ulong)Stopwatch.GetTimestamp(); // perf names a file after it; the runtime counts from 0.
    private bool _hasEnded;

    private JitDump(int descriptor, bool isRuntimes, long size)
    {
        _descriptor = descriptor;
        _isRuntimes = isRuntimes;
        _size = size;
    }

    public bool Writes => true;

    /// <summary>
    /// Opens the file, or shares the one that the runtime writes (<see cref="ProfileFile.OpenByThisProcess"/>).
    /// </summary>
    /// <exception cref="IOException">It cannot be written to safely, or not be mapped; the message says
    /// why.</exception>
    public static JitDump Open()
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/tmp/jit-{Environment.ProcessId}.dump");
        int? runtimes = ProfileFile.OpenByThisProcess(path);
        int descriptor = runtimes ?? ProfileFile.OpenForAppending(path, isMapped: true);
        try
        {
            var dump = new JitDump(descriptor, runtimes is not null, ProfileFile.Require(path, descriptor).Size);
            if (runtimes is null)
            {
                dump.Begin(path);
            }

            return dump;
        }
        catch
        {
            OpenFile.Close(descriptor);
            throw;
        }
    }

    public void Added(CodeSegment segment) { }

    /// <summary>The format has no way to say it.</summary>
    public void Removed(CodeSegment segment) { }

    public void Remapped(CodeSegment segment) => Write(segment);

    /// <summary>
    /// Writes a record for each function, and as many bytes of code as the segment has, whatever its table says. After
    /// a write that fails, nothing is written any more: perf would find no record behind half of one.
    /// </summary>
    public void Write(CodeSegment segment)
    {
        lock (_writing)
        {
            try
            {
                long time = segment.MappedAt;
                int left = segment.Length;
                foreach (CodeFunction function in segment.Published(LoadBytes + 1))
                {
                    left -= function.Length;
                    if (_hasEnded || left < 0 || !Append(segment, function, time))
                    {
                        break;
                    }
                }

                Flush();
            }
            catch (OutOfMemoryException)
            {
                Flush(); // Whole records; the code runs without the others.
            }
        }
    }

    /// <summary>What a record says, but for the code, which ends it.</summary>
    /// <returns>How many bytes.</returns>
    internal static int Describe(
        Span<byte> record,
        nint address,
        int length,
        ReadOnlySpan<byte> name,
        ulong number,
        long time
    )
    {
        uint process = (uint)Environment.ProcessId;
        int end = LoadBytes + name.Length + 1;
        Prefix(record, CodeLoad, (uint)(end + length), time);
        BinaryPrimitives.WriteUInt32LittleEndian(record[16..], process);
        BinaryPrimitives.WriteUInt32LittleEndian(record[20..], process); // Any thread of it; that one there is.
        BinaryPrimitives.WriteUInt64LittleEndian(record[24..], (ulong)address);
        BinaryPrimitives.WriteUInt64LittleEndian(record[32..], (ulong)address);
        BinaryPrimitives.WriteUInt64LittleEndian(record[40..], (ulong)length);
        BinaryPrimitives.WriteUInt64LittleEndian(record[48..], number);
        name.CopyTo(record[LoadBytes..]);
        record[end - 1] = 0;
        return end;
    }

    private static void Prefix(Span<byte> record, uint kind, uint size, long time)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(record, kind);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], size);
        BinaryPrimitives.WriteUInt64LittleEndian(record[8..], (ulong)time);
    }

    /// <summary>The header of a new file, the mapping, and the last record when the process ends.</summary>
    private void Begin(string path)
    {
        // No part of this process writes it, so what is in it is of another process, or of this one before an execve.
        int answer = Memfd.Resize(_descriptor, 0);
        if (answer < 0)
        {
            throw new IOException($"{path} could not be emptied: {Errno.Name(-answer)}. Remove it.");
        }

        _size = 0;
        Span<byte> header = _buffer.AsSpan(0, HeaderBytes);
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], HeaderBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], NativeIsa.ElfMachine);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], (uint)Environment.ProcessId);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], (ulong)Stopwatch.GetTimestamp());
        _filled = HeaderBytes;
        Flush();
        if (_hasEnded)
        {
            throw new IOException($"{path} could not be written: the disk is full, or a limit was reached.");
        }

        nint mapped = Mapping.Map(
            (nuint)Pages.Size,
            Mapping.PROT_READ | Mapping.PROT_EXEC,
            Mapping.MAP_PRIVATE,
            _descriptor,
            MaxBytes
        );
        if (Mapping.IsError(mapped))
        {
            throw new IOException(
                $"{path} could not be mapped as executable, by which perf finds it: {Errno.Name((int)-mapped)}. The "
                    + "folder is mounted noexec, or a sandbox forbids it."
            );
        }

        AppDomain.CurrentDomain.ProcessExit += (_, _) => Close();
    }

    private bool Append(CodeSegment segment, CodeFunction function, long time)
    {
        byte[] name = Encoding.UTF8.GetBytes(function.Name!);
        int length = LoadBytes + name.Length + 1 + function.Length;
        if (length > _buffer.Length - _filled)
        {
            Flush();
        }

        bool isLarge = length > _buffer.Length;
        Span<byte> record = isLarge ? new byte[length] : _buffer.AsSpan(_filled, length);
        int at = Describe(record, segment.Address + function.Offset, function.Length, name, _number, time);
        if (!segment.TryCopy(function.Offset, record[at..]))
        {
            return false; // It is unmapped: what would be said of its addresses could be said too late.
        }

        _number++;
        if (isLarge)
        {
            Put(record);
        }
        else
        {
            _filled += length;
        }

        return true;
    }

    private void Flush()
    {
        Put(_buffer.AsSpan(0, _filled));
        _filled = 0;
    }

    /// <summary>Writes whole records, or truncates the file to what it was before and ends.</summary>
    private void Put(ReadOnlySpan<byte> records)
    {
        long before = _size;
        if (_hasEnded || before > MaxBytes - records.Length)
        {
            _hasEnded = true;
            return;
        }

        int tries = 0;
        while (!records.IsEmpty)
        {
            int written = OpenFile.Write(_descriptor, records);
            if (written == -Errno.EINTR && ++tries < MaxTries)
            {
                continue;
            }

            if (written <= 0)
            {
                _hasEnded = true;
                if (!_isRuntimes)
                {
                    _ = Memfd.Resize(_descriptor, before);
                }

                return;
            }

            records = records[written..];
            _size += written;
        }
    }

    /// <summary>Writes the last record.</summary>
    private void Close()
    {
        if (!_writing.TryEnter(Patience))
        {
            return;
        }

        try
        {
            Prefix(_buffer, CodeClose, PrefixBytes, Stopwatch.GetTimestamp());
            _filled = PrefixBytes;
            Flush();
            _hasEnded = true;
        }
        finally
        {
            _writing.Exit();
        }
    }
}
