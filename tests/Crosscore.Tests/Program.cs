using Crosscore.Tests.Sandbox;
using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

// The kernel's registrations and the children of a test belong to the whole process, and an executable that is being
// written cannot be started while another thread forks: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Crosscore.Tests;

/// <summary>
/// The tests, or, if a test has started this program as its child, what that child is to do. What follows the first
/// branch is the entry point that xunit.v3 would generate.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) =>
        arguments is [Child.Marker, var task] ? Child.Run(task)
        : arguments.Any(argument => argument is "--server" or "--internal-msbuild-node")
            ? TestPlatformTestFramework
                .RunAsync(arguments, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
                .GetAwaiter()
                .GetResult()
        : ConsoleRunner.Run(arguments).GetAwaiter().GetResult();
}
