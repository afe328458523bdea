using System.Buffers;
using System.Globalization;

namespace Crosscore;

/// <summary>
/// What a kernel's release text says of its age. A distribution appends to the number and back-ports behind it, so the text is evidence of what is at least
/// there ("merged in 5.10"), and of what is missing only if nothing was appended.
/// </summary>
/// <param name="Text">The release as uname(2) prints it.</param>
/// <param name="Major">5 of 5.10.209.</param>
/// <param name="Minor">10 of 5.10.209.</param>
/// <param name="Candidate">A release candidate: parts of this version may be missing.</param>
/// <param name="Vendor">Something was appended: a distribution's, a vendor's or a local build.</param>
/// <param name="Emulated">Not Linux at all but gVisor, which borrows a release number.</param>
internal sealed record KernelRelease(string Text, int Major, int Minor, bool Candidate, bool Vendor, bool Emulated)
{
    // gVisor gives its build a fixed date that no real kernel shares (pkg/sentry/syscalls/linux/linux64.go); newer versions also say "gvisor" in the release.
    private const string GVisorBuild = "Sun Jan 10 15:06:54 PST 2016";

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    public bool IsAtLeast(int major, int minor) => (Major, Minor).CompareTo((major, minor)) >= 0;

    /// <summary>Reads this system's release; null where there is none, as outside Linux.</summary>
    public static KernelRelease? Read()
    {
        try
        {
            return Parse(File.ReadAllText("/proc/sys/kernel/osrelease"), File.ReadAllText("/proc/sys/kernel/version"));
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Takes the texts of uname(2) apart; null for a release that does not begin with two numbers.</summary>
    public static KernelRelease? Parse(string release, string build = "")
    {
        string text = release.Trim();
        int end = text.AsSpan().IndexOfAnyExcept(NumberCharacters);
        ReadOnlySpan<char> numbers = end < 0 ? text : text.AsSpan(0, end);
        ReadOnlySpan<char> rest = end < 0 ? "" : text.AsSpan(end);

        Span<Range> parts = stackalloc Range[5];
        int count = numbers.Split(parts, '.');
        if (count < 2
            || !int.TryParse(numbers[parts[0]], NumberStyles.None, CultureInfo.InvariantCulture, out int major)
            || !int.TryParse(numbers[parts[1]], NumberStyles.None, CultureInfo.InvariantCulture, out int minor))
        {
            return null;
        }

        bool candidate = rest.StartsWith("-rc", StringComparison.Ordinal) && rest.Length > 3 && char.IsAsciiDigit(rest[3]);
        bool emulated = build.Contains(GVisorBuild, StringComparison.Ordinal) || rest.Contains("gvisor", StringComparison.OrdinalIgnoreCase);
        return new KernelRelease(text, major, minor, candidate, Vendor: !rest.IsEmpty || count > 3, emulated);
    }
}
