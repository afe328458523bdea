using Crosscore.Litmus.Bench;

namespace Crosscore.Tool.Output;

/// <summary>Writes reports in one format, each as soon as it is there, so that a later failure loses nothing.</summary>
internal interface IReportWriter : IDisposable
{
    /// <summary>Writes a report.</summary>
    void Write(TestReport report);

    /// <summary>Writes what comes after the last report.</summary>
    /// <param name="unreadable">How many files were no tests.</param>
    void Finish(int unreadable);
}
