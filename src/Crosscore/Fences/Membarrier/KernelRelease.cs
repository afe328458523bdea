using System.Buffers;
using System.Globalization;
using Crosscore.Linux;

namespace Crosscore;

/// <summary>
/// What the release text of a kernel says about its age. A distribution appends to the number and back-ports fixes, so
/// the text is evidence of what is at least there ("merged in 5.10"), and of what is missing only if nothing was
/// appended.
/// </summary>
/// <param name="Text">The release as uname(2) prints it.</param>
/// <param name="Major">5 of 5.10.209.</param>
/// <param name="Minor">10 of 5.10.209.</param>
/// <param name="Patch">209 of 5.10.209; 0 where the text has none. Distributions write 0 for every patch.</param>
/// <param name="Candidate">A release candidate: parts of this version may be missing.</param>
/// <param name="Vendor">Something was appended: a build of a distribution, of a vendor or of a user.</param>
/// <param name="Emulated">The kernel is gVisor, which borrows a release number of Linux.</param>
internal sealed record KernelRelease(
    string Text,
    int Major,
    int Minor,
    int Patch,
    bool Candidate,
    bool Vendor,
    bool Emulated
)
{
    // gVisor gives its build a fixed date that no real kernel shares (pkg/sentry/syscalls/linux/linux64.go); newer
    // versions also say "gvisor" in the release.
    private const string GVisorBuild = "Sun Jan 10 15:06:54 PST 2016";

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    public bool IsAtLeast(int major, int minor) => (Major, Minor).CompareTo((major, minor)) >= 0;

    /// <summary>Whether this is the stable series of that version, at that patch or a later one.</summary>
    public bool IsInSeries(int major, int minor, int patch) => (Major, Minor) == (major, minor) && Patch >= patch;

    /// <summary>
    /// Whether what was merged in a version is certainly there. A candidate of that very version may lack it: the
    /// barriers of 5.10 were merged between its candidates.
    /// </summary>
    public bool Contains(int major, int minor) =>
        !Emulated && IsAtLeast(major, minor) && !(Candidate && !IsAtLeast(major, minor + 1));

    /// <summary>The commands of membarrier(2) that mainline has in this version.</summary>
    public MembarrierCommands MainlineCommands
    {
        get
        {
            MembarrierCommands commands = MembarrierCommands.None;
            if (IsAtLeast(4, 3))
            {
                commands |= MembarrierCommands.Global;
            }

            if (IsAtLeast(4, 14))
            {
                commands |= MembarrierCommands.PrivateExpedited | MembarrierCommands.RegisterPrivateExpedited;
            }

            if (IsAtLeast(4, 16))
            {
                commands |=
                    MembarrierCommands.GlobalExpedited
                    | MembarrierCommands.RegisterGlobalExpedited
                    | MembarrierCommands.PrivateExpeditedSyncCore
                    | MembarrierCommands.RegisterPrivateExpeditedSyncCore;
            }

            if (IsAtLeast(5, 10))
            {
                commands |= MembarrierCommands.PrivateExpeditedRseq | MembarrierCommands.RegisterPrivateExpeditedRseq;
            }

            // A command that is newer than every one known here is no reason for doubt.
            return IsAtLeast(6, 3) ? ~MembarrierCommands.None : commands;
        }
    }

    /// <summary>
    /// Reads the release of this system, each time anew; null outside Linux. It is read by uname(2), which needs no
    /// file system and no descriptor. /proc/sys, which a container may hide, is read only where a sandbox refuses the
    /// call.
    /// </summary>
    public static KernelRelease? Read()
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsAndroid())
        {
            return null;
        }

        if (SystemName.Get(out string release, out string version) == 0)
        {
            return Parse(release, version);
        }

        return
            OpenFile.ReadText("/proc/sys/kernel/osrelease", out release) == 0
            && OpenFile.ReadText("/proc/sys/kernel/version", out version) == 0
            ? Parse(release, version)
            : null;
    }

    /// <summary>Parses the texts of uname(2); null for a release that does not begin with two numbers.</summary>
    public static KernelRelease? Parse(string release, string build = "")
    {
        string text = release.Trim();
        int end = text.AsSpan().IndexOfAnyExcept(NumberCharacters);
        ReadOnlySpan<char> numbers = end < 0 ? text : text.AsSpan(0, end);
        ReadOnlySpan<char> rest = end < 0 ? "" : text.AsSpan(end);

        Span<Range> parts = stackalloc Range[5];
        int count = numbers.Split(parts, '.');
        if (
            count < 2
            || !int.TryParse(numbers[parts[0]], NumberStyles.None, CultureInfo.InvariantCulture, out int major)
            || !int.TryParse(numbers[parts[1]], NumberStyles.None, CultureInfo.InvariantCulture, out int minor)
        )
        {
            return null;
        }

        int patch =
            count > 2 && int.TryParse(numbers[parts[2]], NumberStyles.None, CultureInfo.InvariantCulture, out int third)
                ? third
                : 0;
        bool candidate =
            rest.StartsWith("-rc", StringComparison.Ordinal) && rest.Length > 3 && char.IsAsciiDigit(rest[3]);
        bool emulated =
            build.Contains(GVisorBuild, StringComparison.Ordinal)
            || rest.Contains("gvisor", StringComparison.OrdinalIgnoreCase);
        return new KernelRelease(text, major, minor, patch, candidate, Vendor: !rest.IsEmpty || count > 3, emulated);
    }
}
