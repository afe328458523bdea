namespace Crosscore.Tests.Fences;

/// <summary>Release texts as real kernels print them.</summary>
public sealed class KernelReleaseTests
{
    private const string GVisorBuild = "#1 SMP Sun Jan 10 15:06:54 PST 2016";

    [Theory]
    [InlineData("6.18.44-custom", 6, 18, 44, false, true)]
    [InlineData("5.4.0-150-generic", 5, 4, 0, false, true)]
    [InlineData("5.10.0-28-amd64", 5, 10, 0, false, true)]
    [InlineData("4.18.0-553.el8.x86_64", 4, 18, 0, false, true)]
    [InlineData("3.10.0-1160.el7.x86_64", 3, 10, 0, false, true)]
    [InlineData("5.15.153.1-microsoft-standard-WSL2", 5, 15, 153, false, true)]
    [InlineData("6.1.0+", 6, 1, 0, false, true)]
    [InlineData("5.4.286", 5, 4, 286, false, false)]
    [InlineData("6.12.1\n", 6, 12, 1, false, false)]
    [InlineData("5.10.0-rc6", 5, 10, 0, true, true)]
    [InlineData("6.19.0-rc1+", 6, 19, 0, true, true)]
    [InlineData("5.14.0-rcu-debug", 5, 14, 0, false, true)]
    [InlineData("4.4", 4, 4, 0, false, false)]
    public void A_release_is_taken_apart(
        string release,
        int major,
        int minor,
        int patch,
        bool candidate,
        bool vendor
    ) =>
        Assert.Equal(
            new KernelRelease(release.Trim(), major, minor, patch, candidate, vendor, Emulated: false),
            KernelRelease.Parse(release, "#1 SMP PREEMPT_DYNAMIC")
        );

    [Theory]
    [InlineData("4.4.0", GVisorBuild)]
    [InlineData("4.19.0-gvisor", GVisorBuild)]
    [InlineData("4.19.0-gvisor", "")]
    public void GVisor_is_recognized(string release, string build) =>
        Assert.True(KernelRelease.Parse(release, build)!.Emulated);

    [Theory]
    [InlineData("6.12.117+deb13-cloud-amd64", 6, 12, 117, true)]
    [InlineData("6.12.118", 6, 12, 117, true)]
    [InlineData("6.12.116", 6, 12, 117, false)]
    [InlineData("6.13.200", 6, 12, 117, false)]
    [InlineData("6.1.0-45-amd64", 6, 1, 176, false)] // a distribution that does not say which patch it is
    public void A_series_is_told_by_its_patch(string release, int major, int minor, int patch, bool expected) =>
        Assert.Equal(expected, KernelRelease.Parse(release)!.IsInSeries(major, minor, patch));

    [Fact]
    public void The_release_of_this_system_is_what_uname_says()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux only.");
        Assert.Equal(File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), KernelRelease.Read()!.Text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("linux")]
    [InlineData("6")]
    [InlineData("6.")]
    [InlineData(".1")]
    public void What_is_no_release_is_not_guessed_at(string release) => Assert.Null(KernelRelease.Parse(release));

    [Theory]
    [InlineData("5.10.0", 5, 10, true)]
    [InlineData("5.9.16", 5, 10, false)]
    [InlineData("6.1.0", 5, 10, true)]
    [InlineData("4.18.0", 5, 10, false)]
    [InlineData("5.4.0", 5, 10, false)]
    public void Numbers_are_compared_as_numbers(string release, int major, int minor, bool expected) =>
        Assert.Equal(expected, KernelRelease.Parse(release)!.IsAtLeast(major, minor));
}
