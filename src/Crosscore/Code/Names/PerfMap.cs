using System.Buffers;
using System.Globalization;
using System.Text;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// The file that tells names of code that no file has. perf itself looks there only for anonymous memory, which ours is
/// not (<see cref="JitDump"/>); what looks up addresses by hand or in a script reads it. Source:
/// tools/perf/Documentation/jit-interface.txt: "START SIZE symbolname", START and SIZE in hexadecimal.
/// </summary>
internal sealed class PerfMap : INameSink, IDisposable
{
    private readonly int _descriptor; // for the life of the process
    private bool _isCut; // The file ends in the middle of a line.

    internal PerfMap(int descriptor) => _descriptor = descriptor;

    public bool Writes => true;

    /// <summary>
    /// Opens the file. If the runtime writes it too, the runtime has truncated it and writes at the offset of its
    /// descriptor, which would overwrite what another open file wrote. A duplicate of that descriptor shares the
    /// offset, and the kernel makes every write whole.
    /// </summary>
    /// <exception cref="IOException">The file cannot be written to safely; the message says why.</exception>
    public static PerfMap Open()
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/tmp/perf-{Environment.ProcessId}.map");
        return new PerfMap(ProfileFile.OpenByThisProcess(path) ?? ProfileFile.OpenForAppending(path));
    }

    /// <summary>Closes the file; only before it is attached.</summary>
    public void Dispose() => OpenFile.Close(_descriptor);

    public void Added(CodeSegment segment) { }

    /// <summary>The format has no way to say it.</summary>
    public void Removed(CodeSegment segment) { }

    /// <summary>
    /// Writes many lines in one call, at the end of the file. Lines that cannot be written (a full disk, no memory) are
    /// missing; the code runs without them. Where a line was cut off, the next begins after a line feed.
    /// </summary>
    public void Write(CodeSegment segment)
    {
        try
        {
            if (Volatile.Read(ref _isCut) && OpenFile.Write(_descriptor, "\n"u8) == 1)
            {
                Volatile.Write(ref _isCut, false);
            }

            ReadOnlySpan<byte> lines = Lines(segment);
            int written = OpenFile.Write(_descriptor, lines);
            if (written > 0 && written < lines.Length)
            {
                Volatile.Write(ref _isCut, lines[written - 1] != (byte)'\n');
            }
        }
        catch (OutOfMemoryException)
        {
            // As above.
        }
    }

    /// <summary>What the file holds of a segment.</summary>
    internal static ReadOnlySpan<byte> Lines(CodeSegment segment)
    {
        var lines = new ArrayBufferWriter<byte>(1 << 12);
        foreach (CodeFunction function in segment.Published())
        {
            int most = (2 * 16) + 3 + (3 * function.Name!.Length);
            Span<byte> line = lines.GetSpan(most);
            _ = (segment.Address + function.Offset).TryFormat(line, out int at, "x", CultureInfo.InvariantCulture);
            line[at++] = (byte)' ';
            _ = function.Length.TryFormat(line[at..], out int digits, "x", CultureInfo.InvariantCulture);
            at += digits;
            line[at++] = (byte)' ';
            at += Encoding.UTF8.GetBytes(function.Name, line[at..]);
            line[at++] = (byte)'\n';
            lines.Advance(at);
        }

        return lines.WrittenSpan;
    }
}
