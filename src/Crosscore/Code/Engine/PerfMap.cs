using System.Globalization;
using System.Text;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// The file in which perf looks for the names of code that no file has. Source: tools/perf/Documentation/jit-interface.txt: "START SIZE symbolname", START and SIZE in hexadecimal.
/// </summary>
internal sealed class PerfMap : INameSink
{
    private const int O_WRONLY = 1;
    private const int O_CREAT = 0x40;
    private const int O_APPEND = 0x400;
    private const int O_CLOEXEC = 0x80000;

    private readonly int _descriptor; // for the life of the process

    private PerfMap(int descriptor) => _descriptor = descriptor;

    /// <summary>
    /// The runtime, when it writes the file, has truncated it and writes at an offset of its own; a second open file would be written over. A duplicate of its descriptor shares the offset, and the kernel
    /// makes every write whole.
    /// </summary>
    public static PerfMap Open()
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/tmp/perf-{Environment.ProcessId}.map");
        foreach (string link in Directory.EnumerateFiles("/proc/self/fd"))
        {
            if (TargetOf(link) == path
                && int.TryParse(Path.GetFileName(link), CultureInfo.InvariantCulture, out int descriptor)
                && Memfd.Duplicate(descriptor, closeOnExec: true) is >= 0 and var own)
            {
                return new PerfMap(own);
            }
        }

        int opened = Output.Open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
        return opened >= 0 ? new PerfMap(opened) : throw new IOException($"{path} could not be opened: {Errno.Name(-opened)}.");
    }

    public void Added(CodeSegment segment)
    {
        var lines = new StringBuilder();
        foreach (CodeFunction function in segment.Functions)
        {
            _ = lines.Append(CultureInfo.InvariantCulture, $"{segment.Address + function.Offset:x} {function.Length:x} {segment.NameOf(function)}\n");
        }

        // In one call and not at a position of our own, as RandomAccess would. Lines that cannot be written (a full disk) are missing; the code runs without them.
        _ = Output.Write(_descriptor, Encoding.UTF8.GetBytes(lines.ToString()));
    }

    /// <summary>The format has no way to say it.</summary>
    public void Removed(CodeSegment segment)
    {
    }

    private static string? TargetOf(string link)
    {
        try
        {
            return File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName;
        }
        catch (IOException)
        {
            return null; // Closed since the folder was listed.
        }
    }
}
