using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Crosscore.Linux;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>A system call that the library made.</summary>
/// <param name="Name">As the manual has it.</param>
/// <param name="Detail">The file that it opens, or the command, or what is mapped; otherwise empty.</param>
internal sealed partial record WatchedCall(string Name, string Detail)
{
    /// <summary>Source: arch/x86/entry/syscalls/syscall_64.tbl.</summary>
    private static readonly Dictionary<long, string> Numbers = new()
    {
        [5] = "fstat",
        [138] = "fstatfs",
        [158] = "arch_prctl",
        [217] = "getdents64",
        [324] = "membarrier",
        [334] = "rseq",
    };

    /// <summary>Which of these flags is used depends on what lies where.</summary>
    private const long Placement = Mapping.MAP_FIXED | Mapping.MAP_FIXED_NOREPLACE;

    /// <summary>Neither can fail.</summary>
    public static IReadOnlyList<string> Infallible { get; } = ["getauxval", "geteuid"];

    public override string ToString() => Detail.Length == 0 ? Name : $"{Name} {Detail}";

    /// <summary>What a function of the C library is called for.</summary>
    public static WatchedCall Of(string function, ReadOnlySpan<long> arguments) =>
        function switch
        {
            "syscall" => new(
                Numbers.GetValueOrDefault(arguments[0], $"call {arguments[0]}"),
                Numbers.GetValueOrDefault(arguments[0]) is "membarrier" ? Hex(arguments[1]) : ""
            ),
            "open" => new(function, Neutral(Marshal.PtrToStringUTF8((nint)arguments[0])!)),
            "fcntl" => new(function, Hex(arguments[1])),
            "mmap" => new(function, $"{Hex(arguments[2])} {Hex(arguments[3] & ~Placement)}"),
            _ => new(function, ""),
        };

    private static string Hex(long value) => string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");

    /// <summary>The same file has the same name in each process and thread.</summary>
    private static string Neutral(string file) => Digits().Replace(file, "N");

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Digits();
}

/// <summary>
/// A refusal: from which call of the library on, with what, and whether that call alone or each call of that name
/// from there on.
/// </summary>
/// <param name="Fresh">Whether nothing of the library was used before the refusal; otherwise it was used fully.</param>
/// <param name="Call">Which call.</param>
/// <param name="Occurrence">The how-manieth one like it, from 0: the calls before it need not be the same each
/// time.</param>
/// <param name="Errno">What it is answered with.</param>
/// <param name="ForEver">Whether every call of that name is, from there on.</param>
internal sealed record Refusal(bool Fresh, WatchedCall Call, int Occurrence, int Errno, bool ForEver)
{
    public string Line => string.Join('\t', Fresh, Call.Name, Call.Detail, Occurrence, Errno, ForEver);

    public static Refusal Parse(string line)
    {
        string[] parts = line.Split('\t');
        return new(
            bool.Parse(parts[0]),
            new(parts[1], parts[2]),
            int.Parse(parts[3], CultureInfo.InvariantCulture),
            int.Parse(parts[4], CultureInfo.InvariantCulture),
            bool.Parse(parts[5])
        );
    }

    public override string ToString() =>
        $"{(Fresh ? "first use" : "later use")}, {Call}, number {Occurrence}: "
        + $"{Linux.Errno.Name(Errno)} {(ForEver ? "forever" : "once")}";
}
