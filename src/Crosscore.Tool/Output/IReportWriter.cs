using Crosscore.Litmus.Bench;

namespace Crosscore.Tool.Output;

/// <summary>Writes reports in one format, each as soon as it is known, so that a later failure loses nothing.</summary>
internal interface IReportWriter : IDisposable
{
    /// <summary>Writes a report.</summary>
    void Write(TestReport report);

    /// <summary>Writes what comes after the last report.</summary>
    /// <param name="unreadable">The number of files that could not be examined.</param>
    void Finish(int unreadable);
}
